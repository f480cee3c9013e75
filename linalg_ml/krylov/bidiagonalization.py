"""Golub-Kahan bidiagonalisation: A V = U B."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, is_array, is_sparse, namespace
from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator, normal
from linalg_ml.krylov.basis import Basis, noise, unit
from linalg_ml.krylov.lanczos import check_steps


@dataclass(frozen=True, eq=False)
class Bidiagonalization:
    """A V = U B and A^H U = V B^H + ``remainder`` v e_k^H, after k steps.

    Attributes
    ----------
    u : array of shape (..., m, k)
        Orthonormal columns.
    v : array of shape (..., n, k)
        Orthonormal columns; the first is the start, normalised.
    diagonal : array of shape (..., k)
        The diagonal of B, real and not negative.
    superdiagonal : array of shape (..., k - 1)
        The entries of B beside it, real and not negative.
    remainder : array of shape (...,)
        How far V is from invariant; 0 once the Krylov space has ended.
    """

    u: Any = field(repr=False)
    v: Any = field(repr=False)
    diagonal: Any
    superdiagonal: Any
    remainder: Any
    _process: Any = field(repr=False)

    @property
    def b(self):
        """The upper bidiagonal matrix B, of shape (..., k, k)."""
        xp = namespace(self.diagonal)
        k = self.diagonal.shape[-1]
        index = xp.arange(k, device=self.diagonal.device)
        row, column = index[:, None], index[None, :]
        zero = xp.zeros_like(self.diagonal)
        beside = xp.concat([self.superdiagonal, zero[..., :1]], axis=-1)
        upper = xp.where(column == row + 1, beside[..., :, None], zero[..., None])
        return xp.where(column == row, self.diagonal[..., :, None], upper)

    def extend(self, steps):
        """Make so many steps more; return the longer bidiagonalisation.

        Can be called once: the longer one goes on from there.
        """
        process = self._process
        if process.made != self.diagonal.shape[-1]:
            raise ValueError("this bidiagonalisation has been extended; extend the longer one")
        check_steps(process.made + checks.count(steps, "steps"), process.most, "min(m, n)")
        return process.run(steps)

    def singular_triplets(self, count=None):
        """Approximate singular triplets of A, the largest first.

        Parameters
        ----------
        count : int, optional
            How many; None for all k. Their vectors cost 2 k count (m + n) flops.

        Returns
        -------
        u, s, vh : arrays of shape (..., m, count), (..., count) and (..., count, n)
            A^H u_i = s_i v_i holds up to ``errors`` and A v_i = s_i u_i to working precision.
        errors : array of shape (..., count)
            ||A^H u_i - s_i v_i||: within each distance of s_i lies a singular value of A.
        """
        xp = namespace(self.diagonal)
        p, s, qh = xp.linalg.svd(self.b, full_matrices=False)
        if count is not None:
            count = checks.count(count, "count")
            p, s, qh = p[..., :, :count], s[..., :count], qh[..., :count, :]
        arithmetic = self._process.wide
        left, right = (astype(x, arithmetic.dtype) for x in (p, qh))
        u, v = (astype(x, arithmetic.dtype) for x in (self.u, self.v))
        u = astype(arithmetic.mm(u, left), self.u.dtype)
        vh = xp.conj(v.mT) if arithmetic.is_complex else v.mT
        vh = astype(arithmetic.mm(right, vh), self.v.dtype)
        errors = self.remainder[..., None] * xp.abs(p[..., -1, :])
        return u, s, vh, errors


class _Process:
    """What the steps share: the operator and the two bases."""

    def __init__(self, a, start, arithmetic, reorthogonalize, rng):
        self.a, self.arithmetic = a, arithmetic
        self.wide = arithmetic.at_least_fp32(start)
        self.reorthogonalize, self.rng = reorthogonalize, rng
        self.most, self.made = min(a.shape[-2:]), 0
        self.alphas, self.betas = [], []
        self.left = self.right = self.u = self.v = None
        self.start = start
        self.size = None

    def run(self, steps):
        """Make so many steps and return what there is then."""
        if self.right is None:
            self.right = Basis(self.wide, self.start, steps + 1)
            v, _ = unit(self.wide.enter(self.start), 0.0, self.right, self.wide, self.rng)
            self.v = self.arithmetic.store(v)
            self.right.append(self.v)
        for _ in range(steps):
            self.step()
        xp, k = self.arithmetic.xp, self.made
        leave, real = self.arithmetic.leave, self._real
        diagonal = xp.stack(self.alphas, axis=-1)
        beside = xp.stack(self.betas, axis=-1)
        return Bidiagonalization(
            leave(self.left.vectors[..., :k, :].mT),
            leave(self.right.vectors[..., :k, :].mT),
            real(diagonal),
            real(beside[..., : k - 1]),
            real(beside[..., k - 1]),
            self,
        )

    def _real(self, x):
        dtype = self.start.dtype
        if self.arithmetic.is_complex:
            dtype = self.arithmetic.xp.real(self.start).dtype
        return self.arithmetic.leave(x, dtype)

    def step(self):
        """Add a vector on the left, and the next one on the right."""
        k, a, v = self.made, self.a, self.v
        u = self.half(a.matvec, v)
        if k:
            u = u - self.betas[-1][..., None] * self.wide.enter(self.u)
        if self.left is None:
            self.left = Basis(self.wide, u, self.right.capacity)
        u, alpha = self.next_vector(u, self.left)
        self.u = self.arithmetic.store(u)
        self.left.append(self.u)
        w = self.half(a.rmatvec, self.u) - alpha[..., None] * self.wide.enter(v)
        w, beta = self.next_vector(w, self.right)
        self.v = self.arithmetic.store(w)
        self.right.append(self.v)
        self.alphas.append(alpha)
        self.betas.append(beta)
        self.made += 1

    def half(self, matvec, x):
        """Return the product with x, and learn from it how large A is."""
        y = self.wide.enter(matvec(x))
        norm = self.wide.norm(y)
        xp = self.arithmetic.xp
        self.size = norm if self.size is None else xp.where(norm > self.size, norm, self.size)
        return y

    def next_vector(self, w, basis):
        """Return w as the next unit vector of a basis, and its norm, 0 where it is noise."""
        if self.reorthogonalize:
            w, _ = basis.orthogonalize(w)
        return unit(w, noise(self.arithmetic) * self.size, basis, self.wide, self.rng)


@np.errstate(all="ignore")
def bidiagonalize(a, steps, /, *, start=None, reorthogonalize=True, rng=None, precision=None):
    """Reduce a matrix to bidiagonal form by the Golub-Kahan process: A V = U B.

    The singular values of B approximate those of A, the largest first to be good.

    Parameters
    ----------
    a : array of shape (..., m, n), sparse matrix or operator
        Real or complex, of any array library; an operator has ``shape``, ``matvec`` and
        ``rmatvec``.
    steps : int
        Steps to make, at most min(m, n): products with A and with A^H.
    start : array of shape (..., n), optional
        Where the process starts, for instance an approximate right singular vector from an
        earlier call. None draws a random vector. It says the array library where ``a`` is an
        operator; without it that is NumPy.
    reorthogonalize : bool
        Orthogonalise every vector against all before, twice. Without it, the vectors lose
        orthogonality once the largest singular values have converged, and copies of these appear.
    rng : None, int or numpy.random.Generator
        For the random start, and the random vectors to go on from where the Krylov space ends.
    precision : None, str or Precision
        Arithmetic of the products with A; vectors are orthogonalised in at least fp32 and stored
        in the format of the precision.

    Returns
    -------
    Bidiagonalization
        With ``u``, ``v``, ``diagonal``, ``superdiagonal``, ``remainder`` and ``b``; its methods
        ``extend(steps)`` and ``singular_triplets()``.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    alpha_k u_k = A v_k - beta_(k-1) u_(k-1), beta_k v_(k+1) = A^H u_k - alpha_k v_k. With
    reorthogonalisation, k steps cost 4 k^2 (m + n) flops beyond the products, and U and V are
    orthonormal to working precision. Where a vector vanishes, its entry of B is 0 and the process
    goes on from a random vector: A V = U B holds for matrices of any rank.

    References
    ----------
    G. Golub, W. Kahan, "Calculating the singular values and pseudo-inverse of a matrix", SIAM J.
    Numer. Anal. Ser. B 2, 1965.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import krylov
    >>> a = np.diag([5.0, 3.0, 2.0, 1.0])
    >>> parts = krylov.bidiagonalize(a, 3, start=np.ones(4))
    >>> bool(np.allclose(a @ parts.v, parts.u @ parts.b))
    True
    >>> parts.singular_triplets()[1].round(3)
    array([4.998, 2.854, 1.285])
    """
    if is_array(a):
        a = checks.matrix(a, "a")
    elif not (is_sparse(a) or hasattr(a, "shape")):
        a = checks.matrix(a, "a")  # a list, or a message
    if not isinstance(reorthogonalize, bool | np.bool_):
        raise TypeError(f"reorthogonalize must be True or False, got {reorthogonalize!r}")
    shape, rng = tuple(a.shape), generator(rng)
    steps = check_steps(steps, min(shape[-2:]), "min(m, n)")
    if start is None:
        start = _random_start(a, shape, rng)
    start = checks.array(start, "start")
    if tuple(start.shape) != (*shape[:-2], shape[-1]):
        raise ValueError(
            f"start must have shape {(*shape[:-2], shape[-1])}, got {tuple(start.shape)}"
        )
    arithmetic = Arithmetic(precision, start)
    process = _Process(operator(a, arithmetic), start, arithmetic, bool(reorthogonalize), rng)
    return process.run(steps)


def _random_start(a, shape, rng):
    if is_array(a):
        like = a[..., 0, :]
    elif is_sparse(a):
        like = a.tocsr().data
        like = like if like.dtype.kind in "fc" else like * 1.0
    else:
        like = np.empty(0, getattr(a, "dtype", None) or np.float64)
        like = like if like.dtype.kind in "fc" else like * 1.0
    return normal(rng, (*shape[:-2], shape[-1]), like=like)
