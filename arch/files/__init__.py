"""Files on disk: written whole or not at all, read with nothing run, recognised by what is in them."""
