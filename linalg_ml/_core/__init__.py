"""The foundation: arrays, precision, results and the one convergence loop."""
