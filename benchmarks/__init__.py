"""Measurements, run from the repository root: python -m benchmarks.NAME. Not part of the installed package."""
