"""Project on blocks of rows in random order, and forget none of them."""

import numpy as np

from linalg_ml._core.namespace import asarray, to_numpy


def rows_with_memory(system, r, target, block, maxiter):
    """Return d with K d ~ r, and how many blocks of rows it took.

    Each block is orthogonalised against those before, twice, so that the equations they stand
    for stay fulfilled: the error never grows, and all blocks together give the solution. The
    blocks are drawn without replacement, and their rows scaled to length 1, so that none is lost
    in the rounding of others. A step costs about 8 n k j flops for k rows after j.
    """
    xp, wide, arithmetic = system.space.xp, system.wide, system.arithmetic
    k = min(block or max(1, -(-system.size // 4)), system.size)
    order = system.rng.permutation(system.size)
    d, basis, steps = xp.zeros_like(r), None, 0
    sizes = wide.norm(system.matrix)
    weights = 1 / xp.where(sizes > 0, sizes, xp.ones_like(sizes))
    matrix = arithmetic.enter(weights[:, None] * system.matrix)
    floor = 8 * max(system.size * wide.unit_roundoff, arithmetic.unit_roundoff)
    for first in range(0, system.size, k):
        if steps == maxiter:
            break
        places = asarray(order[first : first + k], like=r, dtype=xp.int32)
        rows = xp.take(matrix, places, axis=0)
        misfit = xp.take(weights * r, places, axis=0)
        misfit = misfit - wide.enter(arithmetic.mv(rows, arithmetic.enter(d)))
        fresh = rows
        if basis is not None:
            for _ in range(2):
                fresh = arithmetic.mm(
                    arithmetic.mm(fresh, basis.mT), basis, alpha=-1.0, beta=1.0, y=fresh
                )
        u, s, v = xp.linalg.svd(wide.enter(fresh), full_matrices=False)
        # A block that holds nothing new has no part orthogonal to the others.
        rank = int(np.sum(to_numpy(s) > floor))
        u, s, v = u[:, :rank], s[:rank], v[:rank, :]
        if rank:
            d = d + wide.mv(v.mT, wide.mv(u.mT, misfit) / s)
            v = arithmetic.enter(v)
            basis = v if basis is None else xp.concat([basis, v], axis=0)
        steps += 1
        if first + k < system.size and system.norm(r - wide.mv(system.matrix, d)) <= target:
            break
    return d, steps
