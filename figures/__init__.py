"""Drawings: each module turns records into a matplotlib Figure and computes nothing."""
