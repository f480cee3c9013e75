"""Compiled sweeps over sparse matrices. Each is compiled when first called, and kept on disk.

A ``matrix`` here has ``indptr``, ``indices`` and ``data`` of the entries off the diagonal in CSR
form, and the arrays ``diagonal`` and ``inverse`` (of the diagonal). The index arrays are
unsigned: numba then spares the test for an index that counts from the end, a third of the time.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numba import njit

_FORWARD, _BACKWARD, _SYMMETRIC = 1, 2, 3
# Rows of a colour below which handing a part of them to another thread takes longer than doing it.
_WORTH_SHARING = 40_000
DIRECTIONS = {"forward": _FORWARD, "backward": _BACKWARD, "symmetric": _SYMMETRIC}


def _compiled(function):
    # Only the contraction a * b + c is left to the compiler: no sum is put in another order.
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in
        return njit(function, **options)


# One sweep, one residual ------------------------------------------------------------------------


@_compiled
def _forward(indptr, indices, data, inverse, b, x, omega, first, last):
    keep = type(omega)(1) - omega
    low = indptr[first]
    for i in range(first, last):
        high = indptr[i + 1]
        s = b[i]
        # What does not wait for the row before is computed first.
        kept, step = keep * x[i], omega * inverse[i]
        for k in range(low, high):
            s -= data[k] * x[indices[k]]
        low = high
        x[i] = kept + step * s


@_compiled
def _backward(indptr, indices, data, inverse, b, x, omega, first, last):
    keep = type(omega)(1) - omega
    high = indptr[last]
    for i in range(last - 1, first - 1, -1):
        low = indptr[i]
        s = b[i]
        kept, step = keep * x[i], omega * inverse[i]
        for k in range(low, high):
            s -= data[k] * x[indices[k]]
        high = low
        x[i] = kept + step * s


@_compiled
def _residual_square(indptr, indices, data, diagonal, b, x, first, last):
    total = 0.0
    low = indptr[first]
    for i in range(first, last):
        high = indptr[i + 1]
        s = b[i] - diagonal[i] * x[i]
        for k in range(low, high):
            s -= data[k] * x[indices[k]]
        low = high
        total += np.float64(s.real) ** 2 + np.float64(s.imag) ** 2
    return total


@_compiled
def _residual_norm(indptr, indices, data, diagonal, b, x):
    return np.sqrt(_residual_square(indptr, indices, data, diagonal, b, x, 0, b.size))


@_compiled
def _product(indptr, indices, data, diagonal, x, y):
    for i in range(x.size):
        s = diagonal[i] * x[i]
        for k in range(indptr[i], indptr[i + 1]):
            s += data[k] * x[indices[k]]
        y[i] = s


# Successive over-relaxation ---------------------------------------------------------------------


@_compiled
def _sor(indptr, indices, data, diagonal, inverse, b, x, omega, direction, sweeps, target):
    n = b.size
    residual = np.inf
    for sweep in range(sweeps):
        if direction != _BACKWARD:
            _forward(indptr, indices, data, inverse, b, x, omega, 0, n)
        if direction != _FORWARD:
            _backward(indptr, indices, data, inverse, b, x, omega, 0, n)
        if target >= 0:
            residual = _residual_norm(indptr, indices, data, diagonal, b, x)
            if residual <= target or not np.isfinite(residual):
                return sweep + 1, residual
    return sweeps, residual


@cache
def _pool(workers):
    return ThreadPoolExecutor(workers, "linalg_ml-sweep")


def _shared(threads, work, first, last):
    """Call work(first, last) on as many parts of a range as there are threads; return the results.

    One part is done here. The compiled loops leave Python's lock alone while they run.
    """
    if last - first < _WORTH_SHARING:
        return [work(first, last)]
    ends = [first + (last - first) * t // threads for t in range(threads + 1)]
    pool = _pool(threads - 1)
    others = [pool.submit(work, *part) for part in itertools.pairwise(ends[1:])]
    return [work(*ends[:2]), *(other.result() for other in others)]


def _shared_sor(matrix, b, x, omega, direction, sweeps, target):
    parts = matrix.indptr, matrix.indices, matrix.data

    def relax(first, last):
        _forward(*parts, matrix.inverse, b, x, omega, first, last)

    def square(first, last):
        return _residual_square(*parts, matrix.diagonal, b, x, first, last)

    colors = list(itertools.pairwise(matrix.bounds))
    order = {_FORWARD: colors, _BACKWARD: colors[::-1], _SYMMETRIC: colors + colors[::-1]}
    residual = np.inf
    for sweep in range(sweeps):
        for color in order[direction]:
            _shared(matrix.threads, relax, *color)
        if target >= 0:
            residual = float(np.sqrt(sum(_shared(matrix.threads, square, 0, b.size))))
            if residual <= target or not np.isfinite(residual):
                return sweep + 1, residual
    return sweeps, residual


def csr_sor(matrix, b, x, omega, sweep, sweeps, target=None):
    """Sweep SOR over ``x`` in place; return (sweeps made, residual norm or None).

    ``sweep`` is "forward", "backward" or "symmetric" (forward, then backward). With a ``target``
    the residual norm is computed after every sweep and the loop ends at the first one that meets
    it, or that is not finite; without, exactly ``sweeps`` sweeps are made and nothing is tested.
    The rows between two of ``matrix.bounds`` must not depend on each other if
    ``matrix.threads`` is more than 1.
    """
    goal, direction = -1.0 if target is None else target, DIRECTIONS[sweep]
    omega = matrix.real(omega)
    if matrix.threads > 1:
        done, residual = _shared_sor(matrix, b, x, omega, direction, sweeps, goal)
    else:
        done, residual = _sor(
            matrix.indptr, matrix.indices, matrix.data, matrix.diagonal, matrix.inverse,
            b, x, omega, direction, sweeps, goal,
        )  # fmt: skip
    return done, None if target is None else residual


def csr_residual_norm(matrix, b, x):
    """Return ||b - A x||, without storing the residual; squares are summed in double."""
    return _residual_norm(matrix.indptr, matrix.indices, matrix.data, matrix.diagonal, b, x)


def csr_product(matrix, x):
    """Return A x."""
    y = np.empty_like(x)
    _product(matrix.indptr, matrix.indices, matrix.data, matrix.diagonal, x, y)
    return y


@_compiled
def _chebyshev(
    indptr, indices, data, diagonal, inverse, b, x, middle, factor, omega, sweeps, target
):
    residual = np.inf
    one, two = type(omega)(1), type(omega)(2)
    for sweep in range(sweeps):
        first = omega == 0
        now = one if first else one / (one - factor * omega)
        _forward(indptr, indices, data, inverse, b, x, now, 0, middle)
        omega = one / (one - (two if first else one) * factor * now)
        _forward(indptr, indices, data, inverse, b, x, omega, middle, b.size)
        if target >= 0:
            residual = _residual_norm(indptr, indices, data, diagonal, b, x)
            if residual <= target or not np.isfinite(residual):
                return sweep + 1, residual, omega
    return sweeps, residual, omega


def csr_chebyshev_sor(matrix, b, x, omega, radius, sweeps, target=None):
    """Sweep Chebyshev-accelerated red-black SOR over ``x``; return (made, residual, omega).

    ``omega`` is what the last call returned, 0 at the start; ``radius`` that of the Jacobi
    iteration. The rows of each of the two colours stand together.
    """
    goal = -1.0 if target is None else target
    done, residual, omega = _chebyshev(
        matrix.indptr, matrix.indices, matrix.data, matrix.diagonal, matrix.inverse,
        b, x, matrix.bounds[1], matrix.real(radius**2 / 4), matrix.real(omega), sweeps, goal,
    )  # fmt: skip
    return done, None if target is None else residual, float(omega)


# Conjugate gradients with SSOR ------------------------------------------------------------------


@_compiled
def _ssor_cg_update(indptr, upper, indices, data, step, alpha, x, r, p, q, y):
    """Update x and r, solve (D / omega + L) y = r; return r^H r."""
    rr = 0.0
    for i in range(x.size):
        x[i] += alpha * p[i]
        r[i] -= alpha * q[i]
        s = r[i]
        rr += np.float64(s.real) ** 2 + np.float64(s.imag) ** 2
        for k in range(upper[i], indptr[i + 1]):
            s -= data[k] * y[indices[k]]
        y[i] = step[i] * s
    return rr


@_compiled
def _ssor_cg(indptr, upper, indices, data, diagonal, step, x, r, p, q, y, u, rz, rr, steps, target):
    done, broken = 0, False
    while done < steps:
        # y becomes z, with (D / omega + U) z = (D / omega) y; U z is kept for A z.
        before, rz = rz, 0.0
        for i in range(x.size - 1, -1, -1):
            s = data[0] * 0
            for k in range(indptr[i], upper[i]):
                s += data[k] * y[indices[k]]
            u[i] = s
            z = y[i] - step[i] * s
            y[i] = z
            rz += (np.conj(r[i]) * z).real
        if not rz > 0:
            broken = rz != 0
            break
        beta = type(diagonal[0].real)(rz / before)
        curvature = 0.0
        for i in range(x.size):
            s = diagonal[i] * y[i] + u[i]
            for k in range(upper[i], indptr[i + 1]):
                s += data[k] * y[indices[k]]
            direction = y[i] + beta * p[i]
            image = s + beta * q[i]
            p[i], q[i] = direction, image
            curvature += (np.conj(direction) * image).real
        if not curvature > 0:
            broken = True
            break
        alpha = type(diagonal[0].real)(rz / curvature)
        rr = _ssor_cg_update(indptr, upper, indices, data, step, alpha, x, r, p, q, y)
        done += 1
        if np.sqrt(rr) <= target or not np.isfinite(rr):
            break
    return done, rz, rr, broken


def csr_ssor_cg(matrix, step, state, steps, target=None):
    """Make steps of CG preconditioned by SSOR; return how many.

    ``step`` is omega / diagonal. ``state`` has x, r, p, q = A p, y and u (vectors), rz, rr and
    ``broken``; its arrays are overwritten. With steps=None it is set up for x and r, p = q = 0.
    A p is updated as p is, from A z, for which U z is known from the preconditioner: a step reads
    the matrix one and a half times, not twice.
    """
    parts = matrix.indptr, matrix.upper, matrix.indices, matrix.data
    vectors = state.x, state.r, state.p, state.q, state.y
    if steps is None:
        state.rz, state.broken = np.inf, False
        state.rr = _ssor_cg_update(*parts, step, matrix.real(0), *vectors)
        return 0
    goal = -1.0 if target is None else target
    done, state.rz, state.rr, state.broken = _ssor_cg(
        *parts, matrix.diagonal, step, *vectors, state.u, state.rz, state.rr, steps, goal
    )
    return done


# Blocks -----------------------------------------------------------------------------------------


@_compiled
def _block_row(indptr, indices, data, b, x, i, s):
    size = s.size
    for p in range(size):
        s[p] = b[i * size + p]
    for k in range(indptr[i], indptr[i + 1]):
        first = indices[k] * size
        for p in range(size):
            t = s[p]
            for q in range(size):
                t -= data[k, p, q] * x[first + q]
            s[p] = t


@_compiled
def _block_sor(indptr, indices, data, inverse, b, x, omega, direction, sweeps, target):
    blocks, size = inverse.shape[0], inverse.shape[1]
    s = np.empty(size, x.dtype)
    residual = np.inf
    skipped = 1 if direction == _FORWARD else 0 if direction == _BACKWARD else -1
    for sweep in range(sweeps):
        for way in range(2):
            if way == skipped:
                continue
            for t in range(blocks):
                i = t if way == 0 else blocks - 1 - t
                _block_row(indptr, indices, data, b, x, i, s)
                for p in range(size):
                    change = omega * inverse[i, p, 0] * s[0]
                    for q in range(1, size):
                        change += omega * inverse[i, p, q] * s[q]
                    x[i * size + p] += change
        if target >= 0:
            total = 0.0
            for i in range(blocks):
                _block_row(indptr, indices, data, b, x, i, s)
                for p in range(size):
                    total += np.float64(s[p].real) ** 2 + np.float64(s[p].imag) ** 2
            residual = np.sqrt(total)
            if residual <= target or not np.isfinite(residual):
                return sweep + 1, residual
    return sweeps, residual


def bsr_sor(matrix, b, x, omega, sweep, sweeps, target=None):
    """Sweep block SOR over ``x`` as `csr_sor` does.

    ``indices`` and ``data`` (blocks) hold the whole matrix, ``inverse`` (blocks, size, size) the
    inverses of the diagonal blocks.
    """
    goal = -1.0 if target is None else target
    done, residual = _block_sor(
        matrix.indptr, matrix.indices, matrix.data, matrix.inverse,
        b, x, matrix.real(omega), DIRECTIONS[sweep], sweeps, goal,
    )  # fmt: skip
    return done, None if target is None else residual
