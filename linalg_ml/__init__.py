"""Solvers that learn or multiply matrices fast, for NumPy, CuPy, PyTorch and JAX arrays."""
