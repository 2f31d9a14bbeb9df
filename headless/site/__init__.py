"""The browser page as a folder that any web host can serve: networks as ONNX, the runtime, and a manifest of it all."""
