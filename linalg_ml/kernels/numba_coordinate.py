"""Compiled loops over single coordinates and over the graph of a sparse matrix."""

import numpy as np

from linalg_ml.kernels.numba_ import _compiled


@_compiled
def _proximal_point(x, slope, curvature, l1, lower, upper):
    target = x - slope / curvature
    threshold = l1 / curvature
    if target > threshold:
        target -= threshold
    elif target < -threshold:
        target += threshold
    elif target == target:
        target = curvature * 0
    if target < lower:
        return lower
    if target > upper:
        return upper
    return target


@_compiled
def _is_free(x, l1, lower, upper):
    return x > lower and x < upper and (x != 0 or l1 == 0)


@_compiled
def _coordinate_steps(
    indptr, indices, data, order, v, x, offset, curvature, l1, lower, upper, residual
):
    changed = -1
    for k in range(order.size):
        i = order[k]
        slope = -offset[i]
        for t in range(indptr[i], indptr[i + 1]):
            slope += data[t] * v[indices[t]]
        old = x[i]
        new = _proximal_point(old, slope, curvature[i], l1, lower[i], upper[i])
        if new != old:
            before = _is_free(old, l1, lower[i], upper[i])
            if before != _is_free(new, l1, lower[i], upper[i]):
                changed = k
            x[i] = new
            if residual:
                step = new - old
                for t in range(indptr[i], indptr[i + 1]):
                    v[indices[t]] += data[t] * step
    return changed


@_compiled
def _coordinate_steps_dense(rows, order, v, x, offset, curvature, l1, lower, upper, residual):
    changed = -1
    for k in range(order.size):
        i = order[k]
        row = rows[i]
        slope = np.dot(row, v) - offset[i]
        old = x[i]
        new = _proximal_point(old, slope, curvature[i], l1, lower[i], upper[i])
        if new != old:
            before = _is_free(old, l1, lower[i], upper[i])
            if before != _is_free(new, l1, lower[i], upper[i]):
                changed = k
            x[i] = new
            if residual:
                step = new - old
                for t in range(row.size):
                    v[t] += row[t] * step
    return changed


@_compiled
def _greedy_steps(indptr, indices, data, steps, x, gradient, curvature, weight, l1, lower, upper):
    changed = -1
    for k in range(steps):
        best, at, goal = -1.0, 0, x[0]
        for i in range(x.size):
            new = _proximal_point(x[i], gradient[i], curvature[i], l1, lower[i], upper[i])
            score = abs(x[i] - new) * weight[i]
            if score > best:
                best, at, goal = score, i, new
        old = x[at]
        if goal != old:
            before = _is_free(old, l1, lower[at], upper[at])
            if before != _is_free(goal, l1, lower[at], upper[at]):
                changed = k
            x[at] = goal
            step = goal - old
            for t in range(indptr[at], indptr[at + 1]):
                gradient[indices[t]] += data[t] * step
    return changed


def coordinate_steps(rows, order, v, x, offset, curvature, l1, lower, upper, *, residual):
    """Minimise over the coordinates ``order`` one after the other, changing x in place.

    The slope at coordinate i is ``rows[i] v - offset[i]``; ``rows`` is a CSR matrix or a dense
    one. With ``residual``, v changes by ``rows[i]`` times the step; otherwise v is x itself. Each
    step goes to the proximal point for ``curvature[i]``, the penalty l1 |x_i| and the bounds.
    Return the last place in ``order`` at which a coordinate became free or stopped being so; -1.
    """
    l1 = x.dtype.type(l1)
    if isinstance(rows, np.ndarray):
        return _coordinate_steps_dense(
            rows, order, v, x, offset, curvature, l1, lower, upper, residual
        )
    return _coordinate_steps(
        rows.indptr, rows.indices, rows.data, order, v, x, offset, curvature, l1, lower, upper,
        residual,
    )  # fmt: skip


def greedy_steps(a, steps, x, gradient, curvature, weight, l1, lower, upper):
    """Minimise x^T A x / 2 - b^T x over one coordinate at a time, the best scored first.

    The score of a coordinate is the length of its step times ``weight[i]``. x and the gradient
    A x - b change in place; ``a`` is a symmetric CSR matrix. Return as `coordinate_steps` does.
    """
    return _greedy_steps(
        a.indptr, a.indices, a.data, steps, x, gradient, curvature, weight, x.dtype.type(l1),
        lower, upper,
    )  # fmt: skip


@_compiled
def _gather_columns(indptr, indices, data, index, place):
    total = 0
    for i in index:
        total += indptr[i + 1] - indptr[i]
    touched = np.empty(total, np.int64)
    count = 0
    for i in index:
        for t in range(indptr[i], indptr[i + 1]):
            if place[indices[t]] < 0:
                place[indices[t]] = 0
                touched[count] = indices[t]
                count += 1
    rows = np.sort(touched[:count])
    for k in range(count):
        place[rows[k]] = k
    columns = np.zeros((count, index.size), data.dtype)
    for j in range(index.size):
        i = index[j]
        for t in range(indptr[i], indptr[i + 1]):
            columns[place[indices[t]], j] = data[t]
    for k in range(count):
        place[rows[k]] = -1
    return rows, columns


def gather_columns(a, index, place):
    """Return the rows in which some columns of a CSC matrix have entries, and those, dense.

    ``place`` holds -1 for each row, before and after.
    """
    return _gather_columns(a.indptr, a.indices, a.data, index, place)


@_compiled
def _add_rows(indptr, indices, data, rows, weights, out):
    for k in range(rows.size):
        for t in range(indptr[rows[k]], indptr[rows[k] + 1]):
            for c in range(out.shape[1]):
                out[indices[t], c] += data[t] * weights[k, c]


def add_rows(a, rows, weights, out):
    """Add A[rows]^T weights to ``out`` (n, k) in place, for a CSR matrix."""
    _add_rows(a.indptr, a.indices, a.data, rows, weights, out)


@_compiled
def _forest_solve(indptr, indices, data, block, r, noise, eps, x):
    size = block.size
    place = np.full(indptr.size - 1, -1, np.int64)
    for k in range(size):
        place[block[k]] = k
    parent = np.full(size, -2, np.int64)  # -2: not reached, -1: a root
    link = np.zeros(size, data.dtype)
    pivot = np.zeros(size, data.dtype)
    order = np.empty(size, np.int64)
    stack = np.empty(size, np.int64)
    reached = 0
    for root in range(size):
        if parent[root] != -2:
            continue
        parent[root] = -1
        stack[0] = root
        depth = 1
        while depth > 0:
            depth -= 1
            k = stack[depth]
            order[reached] = k
            reached += 1
            u = block[k]
            for t in range(indptr[u], indptr[u + 1]):
                j = place[indices[t]]
                if j == k:
                    pivot[k] = data[t]
                elif j >= 0 and data[t] != 0 and j != parent[k]:
                    if parent[j] != -2:
                        return u, block[j]
                    parent[j] = k
                    link[j] = data[t]
                    stack[depth] = j
                    depth += 1
    semidefinite = noise.size > 0
    noise = noise.copy()
    variance = np.square(pivot.astype(np.float64))  # of the rounding in each pivot, over eps^2
    for k in range(size):
        x[k] = r[k]
    for s in range(size - 1, -1, -1):  # leaves first
        k = order[s]
        p = parent[k]
        if semidefinite and pivot[k] <= 2 * eps * np.sqrt(variance[k]):
            bounded = pivot[k] >= -np.sqrt(eps * variance[k]) and abs(x[k]) <= noise[k]
            pivot[k] = np.inf if bounded else 0  # x[k] becomes zero, or infinite
        if p >= 0:
            ratio = link[k] / pivot[k]
            pivot[p] -= link[k] * ratio
            x[p] -= x[k] * ratio
            if semidefinite:
                variance[p] += np.square(np.float64(pivot[p])) + variance[k] * ratio**4
                noise[p] += noise[k] * abs(ratio)
    for s in range(size):  # roots first
        k = order[s]
        p = parent[k]
        if p >= 0:
            x[k] -= link[k] * x[p]
        x[k] /= pivot[k]
    return -1, -1


def forest_solve(a, block, r, noise=None):
    """Solve A_bb x = r where the graph of the symmetric CSR matrix A on ``block`` is a forest.

    A_bb is positive definite; with ``noise``, which tells for each entry of r what counts as zero,
    it may be semidefinite. A variable whose pivot is rounding is then zero if what the elimination
    leaves of its r is noise; if not, x^T A_bb x / 2 - r^T x is unbounded below and x not finite.
    Return (x, None), or (None, (u, v)) with an edge that closes a cycle.
    """
    x = np.empty_like(r)
    noise = np.empty_like(r, shape=0) if noise is None else noise
    eps = np.finfo(r.dtype).eps
    u, v = _forest_solve(a.indptr, a.indices, a.data, block, r, noise, eps, x)
    return (x, None) if u < 0 else (None, (int(u), int(v)))


@_compiled
def _find(parent, u):
    while parent[u] != u:
        parent[u] = parent[parent[u]]
        u = parent[u]
    return u


@_compiled
def _forest_labels(indptr, indices, data, order, most):
    n = indptr.size - 1
    label = np.full(n, -1, np.int64)
    parent = np.arange(n)
    seen = np.zeros(n, np.int64)
    stamp = 0
    count = 0
    for k in range(order.size):
        u = order[k]
        for f in range(count + 1):
            if f == most:
                break
            stamp += 1
            fits = True
            for t in range(indptr[u], indptr[u + 1]):
                v = indices[t]
                if v != u and data[t] != 0 and label[v] == f:
                    root = _find(parent, v)
                    if seen[root] == stamp:
                        fits = False
                        break
                    seen[root] = stamp
            if fits:
                label[u] = f
                count = max(count, f + 1)
                for t in range(indptr[u], indptr[u + 1]):
                    v = indices[t]
                    if v != u and data[t] != 0 and label[v] == f:
                        parent[_find(parent, v)] = u
                break
    return label, count


def forest_labels(a, order, most=None):
    """Give each node of ``order`` the number of the first forest that it closes no cycle in.

    With ``most``, nodes that fit in none of so many forests get -1. Return (labels, forests).
    """
    most = np.iinfo(np.int64).max if most is None else most
    return _forest_labels(a.indptr, a.indices, a.data, order, most)


@_compiled
def _color_labels(indptr, indices, data, order, balanced):
    n = indptr.size - 1
    label = np.full(n, -1, np.int64)
    used = np.zeros(n + 1, np.int64)
    taken = np.full(n + 1, -1, np.int64)
    count = 0
    for k in range(order.size):
        u = order[k]
        for t in range(indptr[u], indptr[u + 1]):
            v = indices[t]
            if v != u and data[t] != 0 and label[v] >= 0:
                taken[label[v]] = k
        best = count
        for color in range(count):
            if taken[color] == k:
                continue
            if best == count or used[color] < used[best]:
                best = color
            if not balanced:
                break
        label[u] = best
        used[best] += 1
        count = max(count, best + 1)
    return label, count


def color_labels(a, order, balanced=True):
    """Colour nodes in this order: the least used colour that no neighbour has, else a new one.

    Not ``balanced``, the first colour that no neighbour has, which needs fewer of them. Return
    (labels, colours).
    """
    return _color_labels(a.indptr, a.indices, a.data, order, balanced)
