"""The symmetric eigenvalue problem by spectral divide and conquer with the matrix sign."""

import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    REAL_OF,
    asarray,
    astype,
    dtype_name,
    is_traced,
    real_dtype,
)
from linalg_ml._core.precision import UNIT_ROUNDOFF, Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status, worst
from linalg_ml.matrix_functions.polar import choose_method, empty_result
from linalg_ml.matrix_functions.sign import SYMMETRIC_METHODS, SYMMETRIC_OTHERS
from linalg_ml.matrix_functions.spectral_division import Division, SpectralDivision, attainable
from linalg_ml.matrix_functions.spectrum import adjoint, at_least_fp32

BASE_SIZE = 128


@np.errstate(all="ignore")
def eigh_by_sign(
    a,
    /,
    *,
    method="polar-express",
    degree=None,
    base_size=None,
    precision=None,
    rng=None,
    history=False,
):
    """Compute all eigenvalues and eigenvectors of a symmetric matrix by the matrix sign.

    A is divided in two along the sign of A - mu I, and the halves again, until the array
    library's own eigensolver can finish the blocks. Nearly all of the work is matrix products.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Real symmetric or complex Hermitian (checked), of any array library.
    method : str or method instance
        What `signm` computes the signs with, for a symmetric matrix.
    degree : int, optional
        Odd degree of the polynomials, for the methods that have the choice.
    base_size : int, optional
        Largest order that is left to the library's eigensolver; 128 if None.
    precision : None, str or Precision
        Arithmetic of the products. Factorisations and checks are made in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the sketches and the starting vectors from which shifts are chosen.
    history : bool
        Record every attempt to split in ``result.history``: which matrix of a stack, order and
        depth of the block, shift, rank, steps and status of the sign, what coupled the two
        parts (relative to ||A||_F), and whether the split was accepted.

    Returns
    -------
    Result
        ``x``: the eigenvalues, ascending, of shape (..., n); ``vectors``: the eigenvectors as
        columns, of shape (..., n, n). ``residual`` is ||A V - V W||_F / ||A||_F and
        ``orthogonality`` is ||V^H V - I||_F / sqrt(n), both computed from the result in at
        least fp32. ``splits`` and ``depth`` say how A was divided; ``nit`` counts the steps of
        all signs, ``counts`` all that was done, with "decompositions" by the library's
        eigensolver and "factorizations" by its QR. The status is CONVERGED if residual and
        orthogonality are at most 32 sqrt(n) times the unit roundoff, or 16 times in TF32, fp16
        and bf16; else STAGNATED.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square, symmetric and floating point, if an argument is unknown or out of
        range, or inside ``jax.jit``: the sizes of the blocks depend on the values.

    Notes
    -----
    The shift mu lies between two Ritz values of a few Lanczos steps, which tell how many
    eigenvalues to expect on each side. P = (I + S) / 2 with S = sign(A - mu I) projects onto
    the eigenvectors above mu. A basis of its range, or of that of I - P if that is smaller, is
    the Q factor of P G with G Gaussian, and once more of P Q; the complement is the other. In
    the new basis A is block diagonal up to the block E that couples the two subspaces. E is
    looked at each time. Where it is not at the level of rounding, because the iteration could
    not resolve an eigenvalue close to mu, three more shifts are tried before the library's
    eigensolver takes that block. So the eigenvalues are as accurate as a backward stable method
    makes them: to the unit roundoff times ||A||. A block that is diagonal to rounding is not
    divided: clusters and multiple eigenvalues make the work less. The eigenvalues returned are
    the Rayleigh quotients of the vectors, which in a low precision are far more accurate than
    these.

    A split with t steps of degree 5 costs about 3 t + 9 products, t = 8 or 9 if no eigenvalue is
    close to mu, an inversion and two QR factorisations of half the columns; all splits together
    cost 4/3 of the first one if they halve the spectrum. That pays where products run much
    faster than the reduction to tridiagonal form, as they do on GPUs. It does not on a CPU: on
    one core `numpy.linalg.eigh` was 10 times as fast in fp64, at n = 512 and n = 1024, and 7 to 8
    times in fp32. The time there depends little on ``base_size``: 32 cost 15 to 50 per cent more
    than 128, and 256 cost 10 per cent less at most. The matrices of a stack are divided one
    after the other.

    References
    ----------
    Y. Nakatsukasa, N. J. Higham, "Stable and efficient spectral divide and conquer algorithms
    for the symmetric eigenvalue decomposition and the SVD", SIAM J. Sci. Comput. 35(3), 2013.
    Y. Nakatsukasa, R. W. Freund, "Computing fundamental matrix decompositions accurately via
    the matrix sign function in two iterations: The power of Zolotarev's functions", SIAM Review
    58(3), 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import eigh_by_sign
    >>> laplacian = 2 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
    >>> result = eigh_by_sign(laplacian, base_size=2, rng=0)
    >>> result.x.round(6)
    array([0.198062, 0.75302 , 1.554958, 2.445042, 3.24698 , 3.801938])
    >>> result.converged, bool(result.residual < 1e-14)
    (True, True)
    >>> w = 2 - 2 * np.cos(np.pi * np.arange(1, 7) / 7)
    >>> bool(np.allclose(laplacian @ result.vectors, result.vectors * w))
    True
    """
    a = checks.square(a, "a")
    sign = choose_method(method, degree, SYMMETRIC_METHODS, SYMMETRIC_OTHERS)
    base_size = BASE_SIZE if base_size is None else checks.count(base_size, "base_size")
    rng = generator(rng)
    not_traced(a, "eigh_by_sign")
    return symmetric_eigen(a, SpectralDivision(sign, base_size), precision, rng, history)


def symmetric_eigen(a, method, precision, rng, history=False):
    """Return the Result for arguments that have been checked."""
    arithmetic = Arithmetic(precision, a)
    xp = arithmetic.xp
    *stack, n, _ = a.shape
    if 0 in a.shape:
        values = asarray(np.zeros(a.shape[:-1]), like=a, dtype=real_dtype(a))
        extras = {"vectors": a + 0, "orthogonality": 0.0, "splits": 0, "depth": 0}
        return empty_result(values, extras, method, arithmetic, a.shape[:-2])
    dtype = real_dtype(a)
    a = _hermitian_part(at_least_fp32(a), UNIT_ROUNDOFF[Arithmetic(None, a).name])
    matrices = [a]
    if stack:
        flat = xp.reshape(a, (-1, n, n))
        matrices = [flat[i, ...] for i in range(flat.shape[0])]
    values, vectors, measures, divisions = zip(
        *(_solve(matrix, method, arithmetic, rng) for matrix in matrices), strict=True
    )
    records = [{"matrix": i, **r} for i, d in enumerate(divisions) for r in d.records]

    def array(parts):
        return xp.reshape(xp.stack(parts), (*stack, *parts[0].shape)) if stack else parts[0]

    def host(numbers):
        return np.array(numbers).reshape(stack) if stack else numbers[0]

    residuals, orthogonalities, statuses = zip(*measures, strict=True)
    return Result(
        x=arithmetic.leave(array(values), dtype),
        status=worst(statuses),
        nit=sum(division.nit for division in divisions),
        residual=host(residuals),
        criterion=criterion(arithmetic, n),
        extras={
            "vectors": arithmetic.leave(array(vectors)),
            "orthogonality": host(orthogonalities),
            "splits": host([division.splits for division in divisions]),
            "depth": host([division.depth for division in divisions]),
        },
        counts=total(arithmetic.counts, *(one for d in divisions for one in d.accounts)),
        history=tuple(records) if history else None,
        precision=str(arithmetic),
        method=method,
        statuses=host(statuses) if stack else None,
    )


def _solve(a, method, arithmetic, rng):
    """Solve for one matrix: values (not rounded to the input's type), vectors, measures, account.

    The measures are residual, orthogonality and status.
    """
    xp, n = arithmetic.xp, a.shape[-1]
    exact = arithmetic.at_least_fp32(a)
    size = float(arithmetic.kernels.frobenius(a))
    scale = unit_of_eigenvalues(size, n, a)
    division = Division(method, arithmetic, exact, n, size / scale, rng)
    if not math.isfinite(size):
        lost = a * float("nan")
        measures = math.nan, math.nan, Status.NONFINITE_INPUT
        return xp.real(lost[0, :]) if exact.is_complex else lost[0, :], lost, measures, division
    unit = exact.enter(a / scale)
    w, v = division.eigh(unit)
    for record in division.records:
        record["shift"] *= scale
    av = exact.mm(unit, v)
    # The products that the check needs give the Rayleigh quotients too.
    quotients = xp.sum(xp.conj(v) * av if exact.is_complex else v * av, axis=0)
    w = (xp.real(quotients) if exact.is_complex else quotients) / xp.sum(xp.abs(v) ** 2, axis=0)
    order = xp.argsort(w)
    w, v, av = xp.take(w, order), xp.take(v, order, axis=-1), xp.take(av, order, axis=-1)
    residual = float(exact.frobenius(av - v * w)) / (division.size or 1.0)
    orthogonality = float(distance_from_identity(exact.gram(adjoint(v)), exact))
    measures = residual, orthogonality, verdict(residual, orthogonality, arithmetic, n)
    # Scaled back in the longer of the two types, against over- and underflow.
    w = astype(w, real_dtype(a)) if dtype_name(a) in ("float64", "complex128") else w
    return w * scale, v, measures, division


def verdict(residual, orthogonality, arithmetic, n):
    """Return the status that the checks of a finite matrix prove."""
    if max(residual, orthogonality) <= attainable(arithmetic, n):
        return Status.CONVERGED
    finite = math.isfinite(residual) and math.isfinite(orthogonality)
    return Status.STAGNATED if finite else Status.DIVERGED


def criterion(arithmetic, n):
    """Return in words what `verdict` asks for."""
    return f"residual and orthogonality <= {attainable(arithmetic, n):.3g}"


def distance_from_identity(gram, exact):
    """Return ||G - I||_F / sqrt(n)."""
    return exact.kernels.identity_distance(gram) / gram.shape[-1] ** 0.5


def total(*accounts):
    """Return the sum of several accounts of operations."""
    names = dict.fromkeys(name for account in accounts for name in account)
    return {name: sum(account.get(name, 0) for account in accounts) for name in names}


def unit_of_eigenvalues(size, n, a):
    """Return the power of two near the root mean square of the eigenvalues, as a float.

    Dividing by it rounds nothing, and brings the entries where 16-bit formats are at ease.
    """
    if not (math.isfinite(size) and size > 0):
        return 1.0
    least = -1022 if "64" in REAL_OF[dtype_name(a)] else -126  # the normal numbers of the type
    return 2.0 ** max(math.frexp(size)[1] - 1 - round(math.log2(n) / 2), least)


def not_traced(a, name):
    """Raise inside jax.jit, where the sizes of the blocks cannot be known."""
    if is_traced(a):
        raise ValueError(
            f"{name} cannot run inside jax.jit, grad or vmap: the shapes in it depend on values"
        )


def _hermitian_part(a, unit_roundoff):
    """Return (A + A^H) / 2, or raise if that is not A to within rounding."""
    arithmetic = Arithmetic(None, a)
    skew = (a - adjoint(a)) / 2
    size, gap = arithmetic.frobenius(a), arithmetic.frobenius(skew)
    xp, wrong = arithmetic.xp, gap > 100 * unit_roundoff * size
    if bool(xp.any(wrong)):
        largest = float(xp.max(xp.where(wrong, gap / size, xp.zeros_like(gap))))
        raise ValueError(
            f"a must be symmetric or Hermitian, but its skew part has relative size {largest:.1e}"
        )
    return a - skew
