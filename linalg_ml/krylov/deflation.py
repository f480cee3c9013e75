"""Conjugate gradients in the complement of a subspace where the system is solved directly."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, is_array
from linalg_ml._core.random import generator
from linalg_ml.krylov.cg import ConjugateGradients
from linalg_ml.krylov.krylov_method import solve_linear
from linalg_ml.krylov.lanczos import finite_part, lanczos, ritz
from linalg_ml.krylov.linear_system import LinearSystem


class DeflatedSystem(LinearSystem):
    """A linear system with a subspace W, kept so that W^H A W = I."""

    def __init__(self, a, b, arithmetic, M, subspace):
        super().__init__(a, b, arithmetic, M)
        self._rows = self._given(subspace, b) if is_array(subspace) else None
        self._steps = None if is_array(subspace) else min(subspace, b.shape[-1])
        self._conj = arithmetic.xp.conj if arithmetic.is_complex else lambda x: x

    def prepare(self):
        """Make the subspace, or normalise the one given."""
        arithmetic, xp, wide, rows = self.arithmetic, self.arithmetic.xp, self.wide, self._rows
        if rows is None:
            rng = generator(0)  # where the Krylov space of b ends early
            made = lanczos(self.a.matvec, self.b, self._steps, arithmetic, wide, rng)
            _, rows = ritz(*made, wide)
        # An operator may return the same memory each time, hence + 0.
        images = [
            self.a.matvec(arithmetic.store(rows[..., i, :])) + 0 for i in range(rows.shape[-2])
        ]
        images = arithmetic.wide(xp.stack(images, axis=-2))
        energy = wide.mm(self._conj(rows), images.mT)
        energy = (energy + self._conj(energy.mT)) / 2
        values, vectors = xp.linalg.eigh(finite_part(energy, xp))
        largest = values[..., -1:]
        kept = values > rows.shape[-2] * arithmetic.unit_roundoff * largest
        one = xp.ones_like(values)
        lengths = xp.where(kept, 1 / xp.sqrt(xp.where(kept, values, one)), xp.zeros_like(values))
        change = (vectors * lengths[..., None, :]).mT
        change = astype(change, wide.dtype)
        self._rows, self._images = wide.mm(change, rows), wide.mm(change, images)

    def _given(self, subspace, b):
        checks.same_home(b=b, subspace=subspace)
        subspace = checks.matrix(subspace, "subspace")
        n = b.shape[-1]
        if subspace.shape[-2] != n or subspace.ndim not in (2, b.ndim + 1):
            raise ValueError(
                f"subspace must have shape ({n}, k) to match b of shape {tuple(b.shape)}, "
                f"got shape {tuple(subspace.shape)}"
            )
        return self.wide.enter(subspace.mT)

    def _combine(self, coefficients, rows):
        return self.wide.mm(coefficients[..., None, :], rows)[..., 0, :]

    def _coefficients(self, rows, x):
        return self._conj(self.wide.mm(rows, self._conj(x)[..., None])[..., 0])

    def deflate(self, z):
        """Return z without its part in W, orthogonally to A W."""
        z = self.arithmetic.wide(z)
        return z - self._combine(self._coefficients(self._images, z), self._rows)

    def solve_in_subspace(self, x, r):
        """Return x and r after the step within W that makes r orthogonal to W."""
        c = self._coefficients(self._rows, self.arithmetic.wide(r))
        return x + self._combine(c, self._rows), r - self._combine(c, self._images)


@dataclass(frozen=True)
class DeflatedConjugateGradients(ConjugateGradients):
    """Deflated conjugate gradients (Saad, Yeung, Erhel and Guyomarc'h, 2000).

    Parameters
    ----------
    subspace : int or array
        See `deflated_cg`.
    """

    subspace: Any = 16

    def pose(self, a, b, arithmetic, M):
        """Return the system with its subspace."""
        return DeflatedSystem(a, b, arithmetic, M, self.subspace)

    def init(self, problem, arithmetic, x0):
        """Make the subspace, and start from zero or from x0."""
        problem.prepare()
        return super().init(problem, arithmetic, x0)

    def restart(self, problem, arithmetic, x, r):
        """Solve within the subspace first."""
        x, r = problem.solve_in_subspace(x, r)
        return super().restart(problem, arithmetic, arithmetic.store(x), arithmetic.store(r))

    def direction(self, problem, r):
        """Return the part of M r that is conjugate to the subspace."""
        return problem.arithmetic.store(problem.deflate(problem.precondition(r)))


def deflated_cg(
    a,
    b,
    /,
    *,
    subspace=16,
    M=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Solve A x = b for a Hermitian positive definite A by deflated conjugate gradients.

    The system is solved directly within a small subspace, and by conjugate gradients with search
    directions conjugate to it: the part of the spectrum that the subspace holds slows down
    nothing.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        As for `cg`.
    b : array of shape (..., n)
        One right-hand side, or a stack of them: each a system of its own with a status of its
        own.
    subspace : int or array of shape (n, k)
        A basis of the subspace, as its columns: the best are eigenvectors of the smallest
        eigenvalues. An int makes that many Ritz vectors by the Lanczos process from b, for each
        right-hand side its own (see `krylov.ritz_vectors`). A stack (..., n, k) goes with a
        stack of right-hand sides.
    M : like ``a``, or a preconditioner, optional
        Approximates the inverse of A; positive definite.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None; 1e-3 in tf32,
        1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 10 n if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point, improved within the subspace; zero if None.
    precision : None, str or Precision
        Arithmetic of the iteration; projections are computed in at least fp32. None takes the
        type of ``b``.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; None takes 1, or 5 on a GPU.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        As that of `cg`; ``nit`` does not count the Lanczos steps, ``counts`` does: 2 k products
        to make a subspace of k vectors.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    With W the subspace, x0 += W (W^H A W)^-1 W^H r0, and every direction becomes
    p = (I - W (W^H A W)^-1 (A W)^H) M r + beta p: 4 k n flops a step beyond `cg`. The rate is that
    of `cg` for the spectrum that is left. Vectors on which A is not positive to working precision
    are left out. A subspace made from the same b saves about as many steps as it has vectors;
    it pays when it is used again, or holds what is known of small eigenvalues.

    References
    ----------
    Y. Saad, M. Yeung, J. Erhel, F. Guyomarc'h, "A deflated version of the conjugate gradient
    algorithm", SIAM J. Sci. Comput. 21, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import cg, deflated_cg
    >>> a = np.diag(np.r_[1e-3, 1e-2, np.linspace(1.0, 2.0, 50)])
    >>> b = np.ones(52)
    >>> cg(a, b, rtol=1e-8).nit, deflated_cg(a, b, subspace=np.eye(52)[:, :2], rtol=1e-8).nit
    (20, 11)
    """
    if is_array(subspace) and getattr(subspace, "ndim", 0):
        subspace = checks.matrix(subspace, "subspace")
    else:
        subspace = checks.count(subspace, "subspace")
    return solve_linear(
        DeflatedConjugateGradients(subspace),
        a,
        b,
        M=M,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        precision=precision,
        callback=callback,
        check_every=check_every,
        history=history,
    )
