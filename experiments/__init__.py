"""Studies: each module computes the records of one experiment, cached and resumable."""
