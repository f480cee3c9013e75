"""Compiled and library-specific inner loops, one file per array library."""
