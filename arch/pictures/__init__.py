"""Pictures outside the network: sizes, resizing, fitting, colour under alpha, and how two of them compare."""
