"""Make a matrix ready for many solves: the one place that chooses how it is swept."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_array, is_sparse, library
from linalg_ml.krylov.preconditioner import square_matrix
from linalg_ml.relaxation.block_matrix import BlockMatrix
from linalg_ml.relaxation.csr_matrix import CsrMatrix
from linalg_ml.relaxation.dense_matrix import DenseMatrix
from linalg_ml.relaxation.gpu_matrix import GpuMatrix
from linalg_ml.relaxation.grid import GridLaplacian

ORDERINGS = ("natural", "multicolor")
PREPARED = (CsrMatrix, DenseMatrix, GridLaplacian)


def prepare(a, /, *, ordering="natural", block_size=1, threads=1):
    """Make a matrix ready for sweeps, so that many solves pay for it once.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), or sparse matrix
        SciPy or CuPy sparse, with columns in any order and entries in any number of parts; or a
        full array of any array library. Its diagonal has no zero.
    ordering : {"natural", "multicolor"}
        The order in which the unknowns are relaxed. "multicolor" goes colour by colour, unknowns
        of one colour not depending on each other: two colours, red and black, on a grid. It is
        the one that can run in parallel, and the only one on a GPU.
    block_size : int
        Relax so many neighbouring unknowns together, by solving with the block of the matrix. It
        divides n, and ``a`` is SciPy sparse or one NumPy array of shape (n, n).
    threads : int
        Threads for sparse matrices of NumPy in multicolour ordering.

    Returns
    -------
    object
        For `sor`, `ssor`, `chebyshev_sor`, `ssor_cg` and `optimal_omega` in place of ``a``. Its
        ``shifted(c)`` is A + c I, at the price of a few vectors.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a square matrix, has a zero on its diagonal or a singular diagonal block,
        or the ordering or ``block_size`` does not suit it.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from linalg_ml import relaxation
    >>> line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(10, 10))
    >>> a = relaxation.prepare(scipy.sparse.kronsum(line, line))
    >>> b = np.ones(100)
    >>> [relaxation.sor(a.shifted(c), b, omega=1.5, rtol=1e-8).nit for c in (0.0, 0.1, 0.4)]
    [62, 31, 30]
    """
    checks.choice(ordering, ORDERINGS, "ordering")
    block_size = checks.count(block_size, "block_size")
    threads = checks.count(threads, "threads")
    if isinstance(a, PREPARED):
        return _as_prepared(a, ordering, block_size, threads)
    natural = ordering == "natural"
    if threads > 1 and (natural or block_size > 1):
        raise ValueError("threads need ordering='multicolor' and block_size=1")
    if not (is_sparse(a) or is_array(a) or isinstance(a, (list, tuple, np.ndarray))):
        raise TypeError(
            f"a must be a matrix, a sparse matrix or a prepared one, got {type(a).__name__}: "
            "sweeps need its entries"
        )
    if not is_sparse(a):
        a = checks.square(a, "a")
        if natural and block_size == 1:
            return DenseMatrix(a)
        if library(a) != "numpy" or a.ndim != 2:
            raise ValueError(
                "a must be a sparse matrix or a NumPy array of shape (n, n) for "
                f"ordering={ordering!r} and block_size={block_size}"
            )
        from scipy.sparse import csr_array

        a = csr_array(a)
    a = square_matrix(a)
    on_gpu = type(a).__module__.startswith("cupyx")
    if on_gpu:
        if natural or block_size > 1 or threads > 1:
            raise ValueError(
                "a on a GPU needs ordering='multicolor' and block_size=1; in natural ordering "
                "each row waits for the one before"
            )
        a = a.get()
    if not a.has_canonical_format:
        a = a.copy()
        a.sum_duplicates()
    if on_gpu:
        return GpuMatrix(a)
    if block_size > 1:
        return BlockMatrix(a, block_size, ordering)
    return CsrMatrix(a, ordering, threads)


def _as_prepared(a, ordering, block_size, threads):
    """Return a prepared matrix, or raise if it was prepared for something else."""
    for name, value, default in (
        ("ordering", ordering, "natural"),
        ("block_size", block_size, 1),
        ("threads", threads, 1),
    ):
        known = getattr(a, name, default)
        if value not in (default, known):
            raise ValueError(f"a was prepared with {name}={known!r}, so {name}={value!r} cannot be")
    return a
