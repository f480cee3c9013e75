"""Benchmarks: claims about time, measured side by side. Each module runs by ``python -m``."""
