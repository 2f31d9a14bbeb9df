"""What runs an upscaler's network: recorded once, rewritten to need less arithmetic, and run tile by tile."""
