"""Solvers of the precision study: each module holds a list ``ROWS``, see `precision_table`."""
