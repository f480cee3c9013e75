"""Polar decomposition, matrix sign and their polynomials."""
