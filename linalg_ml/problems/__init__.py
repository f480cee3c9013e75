"""Test problems: matrices with a given spectrum, and real data shipped with the package."""
