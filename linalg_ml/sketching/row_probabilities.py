"""Probabilities to sample rows with: their norms, or their leverage."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse, to_numpy
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator, normal
from linalg_ml._core.units import ordinary_exponent
from linalg_ml._core.verdict import host
from linalg_ml.sketching.embeddings import embedding


@np.errstate(all="ignore")
def row_probabilities(a, /, *, by="leverage", rng=None):
    """Compute probabilities to sample the rows of a matrix with.

    Parameters
    ----------
    a : array of shape (m, n), m >= n
        Of any array library.
    by : {"leverage", "norms"}
        "norms": proportional to the squared norms ||a_i||^2. "leverage": to the leverage scores,
        the squared row norms of an orthonormal basis of the range, approximately.
    rng : None, int or numpy.random.Generator
        For the approximate leverage scores.

    Returns
    -------
    ndarray of shape (m,)
        On the host, sums to 1.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is no tall matrix, is zero or not finite, or ``by`` is unknown.

    Notes
    -----
    With leverage scores, s = O(n log(n) / eps^2) rows embed the range of A up to 1 +- eps; with
    norms only ||A^T A - A^T S^T S A||_F <= eps ||A||_F^2 holds, for s = 1/eps^2. The scores are
    the squared row norms of A R^-1 G with S A = Q R for a sparse-sign S of 4 n rows, and a
    Gaussian G of 32 columns: off by the embedding's (1 +- 1/2)^2 and by the spread of G, about
    1/4.

    References
    ----------
    P. Drineas, M. Magdon-Ismail, M. Mahoney, D. Woodruff, "Fast approximation of matrix
    coherence and statistical leverage", JMLR 13, 2012, arXiv:1109.3843.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> a = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> sketching.row_probabilities(a, by="norms").round(3)
    array([0.818, 0.091, 0.091])
    """
    checks.choice(by, ("leverage", "norms"), "by")
    if is_sparse(a):
        raise TypeError("a must be a dense array, got a sparse matrix; use its toarray()")
    a = checks.matrix(a, "a")
    if a.ndim != 2 or a.shape[0] < a.shape[1]:
        raise ValueError(f"a must have shape (m, n) with m >= n, got shape {tuple(a.shape)}")
    arithmetic = Arithmetic(None, a).at_least_fp32(a)
    x, xp = arithmetic.enter(a), arithmetic.xp
    size = host(arithmetic.frobenius(x))
    if not 0 < size < np.inf:
        raise ValueError("a must be finite and not zero")
    exponent = ordinary_exponent(size, arithmetic.name)
    x = x / 2.0**exponent if exponent else x
    if by == "leverage":
        m, n = x.shape
        rng = generator(rng)
        sketched = embedding("sparse-sign", (4 * n, m), rng=rng).multiply(x, arithmetic)
        # Units of the columns change no leverage, but what counts as rank.
        norms = arithmetic.norm(sketched.mT)
        norms = xp.where(norms > 0, norms, xp.ones_like(norms))
        x, sketched = x / norms, sketched / norms
        _, s, vh = xp.linalg.svd(sketched, full_matrices=False)
        kept = s > 4 * n * arithmetic.unit_roundoff * s[0]
        inverse = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
        v = xp.conj(vh.mT) if arithmetic.is_complex else vh.mT
        g = normal(rng, (n, 32), like=x)
        x = arithmetic.mm(x, arithmetic.mm(v * xp.astype(inverse, v.dtype), g))
    weights = np.asarray(to_numpy(arithmetic.norm(x)), np.float64) ** 2
    return weights / weights.sum()
