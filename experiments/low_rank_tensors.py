"""Random tensors of given Tucker ranks, as the studies on tensors make them."""

import numpy as np


def tucker(sizes, ranks, rng):
    """Return a tensor of norm 1 with normal factors and a normal core."""
    core = rng.standard_normal(ranks)
    for axis, (size, rank) in enumerate(zip(sizes, ranks, strict=True)):
        factor = rng.standard_normal((size, rank))
        core = np.moveaxis(np.tensordot(factor, core, axes=(1, axis)), 0, axis)
    return core / np.linalg.norm(core)


def relative_error(x, truth):
    """Return ||x - truth|| / ||truth||."""
    return float(np.linalg.norm(x - truth) / np.linalg.norm(truth))
