"""Random embeddings by name."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml.sketching.gaussian import GaussianEmbedding
from linalg_ml.sketching.hadamard import HadamardEmbedding
from linalg_ml.sketching.sparse_embeddings import RowSample, SparseSignEmbedding

KINDS = ("gaussian", "sparse-sign", "srht", "count", "rows")


def embedding(kind, shape, *, nonzeros=None, probabilities=None, rng=None):
    """Draw a random s x n matrix S that keeps lengths: E[S^T S] = I.

    Parameters
    ----------
    kind : {"gaussian", "sparse-sign", "srht", "count", "rows"}
        "gaussian": independent N(0, 1/s) entries. "sparse-sign": in each column 8 entries
        +-1/sqrt(8) in distinct random rows. "srht": random signs, the fast Walsh-Hadamard
        transform, a sample of rows. "count": CountSketch, one entry +-1 in each column.
        "rows": rows of the identity.
    shape : tuple (s, n)
        From dimension n to dimension s.
    nonzeros : int, optional
        Entries in each column of "sparse-sign"; 8 if None, at most s.
    probabilities : array of shape (n,), optional
        For "rows": row i is drawn with probability proportional to entry i, with replacement,
        and scaled by 1/sqrt(s p_i). None draws uniformly without replacement. See
        `row_probabilities`.
    rng : None, int or numpy.random.Generator
        The same seed draws the same matrix for every array library.

    Returns
    -------
    Embedding
        With ``S @ a`` and ``S.T @ a`` for arrays (n,), (n, k), (..., n, k) of any library and
        for SciPy and CuPy sparse matrices, ``S.shape``, ``S.toarray()``. The product of a
        sparse matrix with "sparse-sign", "count" or "rows" is sparse, with the others dense.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown, out of range, or does not belong to the kind.

    Notes
    -----
    For orthonormal Q (n x k) and a Gaussian S the singular values of S Q lie close to
    [1 - sqrt(k/s), 1 + sqrt(k/s)]; sparse signs behave alike on every subspace, at a fraction
    of the cost. s = 2 k is enough to precondition, s = 4 k halves the error in every step of
    LSQR. "count" needs s of order k^2: on a subspace spanned by few unit vectors two of them
    may fall together, and S Q is singular. "rows" needs probabilities close to the leverage
    scores. Flops to apply S to n x k: 2 s n k for "gaussian", 2 z n k for z entries in each
    column, n k log2(n) for "srht". Products with short formats are summed in fp32.

    References
    ----------
    P.-G. Martinsson, J. Tropp, "Randomized numerical linear algebra: Foundations and
    algorithms", Acta Numerica 29, 2020, arXiv:2002.01387. K. Clarkson, D. Woodruff, "Low rank
    approximation and regression in input sparsity time", 2012, arXiv:1207.6365. N. Ailon,
    B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
    SIAM J. Comput. 39, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> S = sketching.embedding("sparse-sign", (400, 10000), rng=0)
    >>> q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((10000, 50)))
    >>> np.linalg.svd(S @ q, compute_uv=False)[[0, -1]].round(2)
    array([1.34, 0.65])
    """
    checks.choice(kind, KINDS, "kind")
    shape = _shape(shape)
    s, n = shape
    rng = generator(rng)
    if nonzeros is not None:
        if kind != "sparse-sign":
            raise ValueError(f"nonzeros is for kind 'sparse-sign', got kind {kind!r}")
        nonzeros = checks.count(nonzeros, "nonzeros")
    if probabilities is not None and kind != "rows":
        raise ValueError(f"probabilities is for kind 'rows', got kind {kind!r}")
    if kind == "gaussian":
        return GaussianEmbedding(kind, shape, rng)
    if kind == "srht":
        if s > 1 << (n - 1).bit_length():
            raise ValueError(f"shape[0] must be at most n = {n} for kind 'srht', got {s}")
        return HadamardEmbedding(kind, shape, rng)
    if kind == "rows":
        if probabilities is not None:
            probabilities = _distribution(probabilities, n)
        elif s > n:
            raise ValueError(
                f"shape[0] must be at most n = {n} without replacement, got {s}; "
                "probabilities draw with it"
            )
        return RowSample(kind, shape, rng, probabilities)
    return SparseSignEmbedding(kind, shape, rng, 1 if kind == "count" else nonzeros or 8)


def _shape(shape):
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"shape must be a tuple (s, n), got {shape!r}")
    return tuple(checks.count(size, f"shape[{i}]") for i, size in enumerate(shape))


def _distribution(weights, n):
    try:
        weights = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"probabilities must be an array of numbers, got {weights!r}") from None
    if weights.shape != (n,):
        raise ValueError(f"probabilities must have shape ({n},), got shape {weights.shape}")
    total = weights.sum()
    if not (np.all(weights >= 0) and 0 < total < np.inf):
        raise ValueError("probabilities must be nonnegative and finite, and not all zero")
    return weights / total
