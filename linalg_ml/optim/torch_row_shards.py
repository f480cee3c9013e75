"""A matrix whose rows lie on several processes, orthogonalised without bringing them together."""

from dataclasses import dataclass
from itertools import pairwise

import torch

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.matrix_functions.gram_form import apply_in_gram_form
from linalg_ml.matrix_functions.iteration import apply_polynomial, warn_if_unsafe
from linalg_ml.matrix_functions.orthogonalize import as_schedule, in_form, scaled_by_gram
from linalg_ml.matrix_functions.spectrum import adjoint
from linalg_ml.optim.assignment import shares
from linalg_ml.optim.matrices import AS_THEY_ARE
from linalg_ml.optim.orthogonalized import SCALES, Muon, polynomials
from linalg_ml.optim.polar_factor import FACTORISING, POLYNOMIAL_STEPS
from linalg_ml.optim.polar_gradient import PolarGrad
from linalg_ml.optim.torch_processes import Processes

_SPLIT_FROM = 512  # order of a product that is worth an exchange of its result
_GRAM, _PRODUCT = "the sum of Gram matrices", "the exchange of a product"


class ShardedArithmetic(Arithmetic):
    """Products of a wide matrix X of which every process has some columns.

    ``gram`` is the sum of X X^H over all processes. Products of that order, with a symmetric
    result, are split among them from order ``split_from`` on; products with X stay where they are.
    """

    def __new__(cls, precision, a, processes, split_from=_SPLIT_FROM):
        """Make the arithmetic for a tensor of this process."""
        made = super().__new__(cls, precision, a)
        made.processes, made.split_from = processes, split_from
        return made

    def gram(self, x):
        """Return the sum of X X^H, of which each process adds its part, in at least fp32."""
        key, times = (x.shape, x.shape[-2]), self._multiplied
        times[key] = times.get(key, 0) + 1
        part = self._plain_gram(x) if self._emulated else self.wide(self._gram(x))
        return self.store(self.processes.sum(part.contiguous(), _GRAM))

    def mm_sym(self, a, b, *, alpha=1.0, beta=0.0, y=None):
        """Return alpha A B + beta Y, symmetric: each process computes a band of the lower half."""
        order = a.shape[-2]
        if self.processes.size == 1 or order < self.split_from:
            return super().mm_sym(a, b, alpha=alpha, beta=beta, y=y)
        bands = lower_bands(order, self.processes.size)
        start, stop = bands[self.processes.rank]
        rows, columns = a[start:stop], b[:, :stop]
        y = None if y is None else y[start:stop, :stop]
        square, left = None if y is None else y[:, start:], None if y is None else y[:, :start]
        band = super().mm_sym(rows, columns[:, start:], alpha=alpha, beta=beta, y=square)
        if start:
            beside = self.mm(rows, columns[:, :start], alpha=alpha, beta=beta, y=left)
            band = torch.cat([beside, band], -1)
        return self._whole(band.contiguous(), bands)

    def _whole(self, band, bands):
        """Return the symmetric matrix of which each process has a band of the lower half."""
        order, parts = bands[-1][1], []
        for rank, (start, stop) in enumerate(bands):
            own = rank == self.processes.rank
            parts.append(band if own else band.new_empty((stop - start, stop)))
        self.processes.broadcast(list(enumerate(parts)), _PRODUCT)
        whole = band.new_empty((order, order))
        for (start, stop), part in zip(bands, parts, strict=True):
            whole[start:stop, :stop] = part
            whole[:start, start:stop] = adjoint(part[:, :start])
        return whole


def lower_bands(order, parts):
    """Return the (start, stop) of rows whose parts of the lower triangle cost about as much.

    Those of the first process are a square, of which more than half has to be computed.

    Examples
    --------
    >>> from linalg_ml.optim.torch_row_shards import lower_bands
    >>> lower_bands(1024, 2)
    [(0, 688), (688, 1024)]
    """
    unit = max(1, order // 64)
    ends = [unit * round(order * (k / parts) ** 0.58 / unit) for k in range(parts)]
    return list(pairwise([*ends, order]))


def orthogonalize_shards(
    a,
    /,
    *,
    process_group=None,
    axis=-2,
    steps=5,
    schedule=None,
    precision=None,
    form="auto",
):
    """Orthogonalise a matrix of which each process of a group has some rows, or columns.

    As `linalg_ml.orthogonalize`, to rounding, with the matrix staying where it is. All processes
    call this together.

    Parameters
    ----------
    a : tensor of shape (m_k, n), or (m, n_k) with ``axis=-1``
        What this process has of the matrix; it may be nothing, of size zero.
    process_group : torch.distributed.ProcessGroup, optional
        None is the default group.
    axis : {-2, -1}
        Which axis the processes share. The cost is that of a matrix whose other axis is the
        small one: share the longer.
    steps, schedule, precision, form
        As in `linalg_ml.orthogonalize`.

    Returns
    -------
    tensor of the shape of ``a``
        The same part of the result.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a floating-point tensor with two axes, or an argument is unknown.
    RankError
        If a process is lost.

    Notes
    -----
    With s the length of the axis that is not shared, only matrices of order s are exchanged: the
    sum of the Gram matrices, once in the Gram form and at each of its restarts, and at each step
    in the direct form; and from order 512 on, products of order s, of which each process computes
    a band of the lower half, four in each step of degree 5 in the Gram form and one in the direct
    form. A scaling by the Gram matrix takes that of the first step, but in short formats one of
    its own. Only where the rows or columns to be scaled one by one ("turbo") are those that are
    shared, of the shorter axis or of a square matrix, does every process see all of it, once.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (the Gram form).

    Examples
    --------
    In a single process, for the sake of an example:

    >>> import torch, torch.distributed as dist
    >>> from linalg_ml import orthogonalize
    >>> from linalg_ml.optim.torch_distributed import orthogonalize_shards
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> a = torch.arange(12.0).reshape(6, 2)
    >>> bool(torch.allclose(orthogonalize_shards(a), orthogonalize(a), atol=1e-5))
    True
    >>> dist.destroy_process_group()
    """
    a = checks.matrix(a, "a")
    if not isinstance(a, torch.Tensor) or a.ndim != 2:
        raise TypeError(f"a must be a tensor with two axes, got {type(a).__name__} of {a.ndim}")
    if axis not in (-2, -1):
        raise ValueError(f"axis must be -2 or -1, got {axis!r}")
    checks.choice(form, ("auto", "direct", "gram"), "form")
    rows, processes = as_schedule(schedule, steps), Processes(process_group)
    own = torch.tensor(a.shape[axis], dtype=torch.int64, device=a.device)
    lengths = processes.gather(own, "the exchange of lengths").tolist()
    return _orthogonal(a, axis, lengths, rows, precision, form, processes)


def _orthogonal(a, axis, lengths, rows, precision, form, processes, split_from=_SPLIT_FROM):
    """Return this process's part of p(A); ``lengths`` are those of all parts along the axis."""
    x, length = adjoint(a) if axis == -2 else a, sum(lengths)
    order = x.shape[0]
    if order == 0 or length == 0:
        return a + 0
    arithmetic = ShardedArithmetic(precision, x, processes, split_from)
    warn_if_unsafe(rows, arithmetic.name)
    x = _below_one(x, processes, rows.safety if rows.normalization == "frobenius" else 0.0)
    # Of a square matrix, `orthogonalize` scales the rows.
    on_shared_axis = length < order or (length == order and axis == -2)
    if rows.normalization == "frobenius":
        x, square = arithmetic.enter(x), None
    elif rows.normalization == "aol" and on_shared_axis:
        x, square = arithmetic.enter(_scaled_columns(x, max(lengths), processes)), None
    else:
        square = processes.sum(kernels("torch").gram(x).contiguous(), _GRAM)
        x, square = scaled_by_gram(x, square, rows, arithmetic)
    if rows.restarts is None and (form == "gram" or (form == "auto" and order != length)):
        rows = in_form(form, rows, arithmetic, max(1.0, length / order), order)
    if rows.restarts is not None:
        x = apply_in_gram_form(x, rows, arithmetic, square)
    else:
        for coefficients in rows.coefficients:
            x, square = apply_polynomial(x, coefficients, arithmetic, square=square), None
    x = arithmetic.leave(x)
    return adjoint(x) if axis == -2 else x


def _below_one(x, processes, safety):
    """Return X divided by 1 + safety times the norm of all its parts, in at least fp32."""
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    sizes = x.abs()
    largest = sizes.max() if x.numel() else sizes.new_zeros(())
    norm = torch.linalg.vector_norm(sizes / largest.where(largest > 0, torch.ones_like(largest)))
    found = processes.gather(torch.stack([largest, norm]), "the exchange of norms")
    largest, norms = found.T
    top = largest.max()  # NaN, if one of them is
    safe = top.where(top != 0, torch.ones_like(top))
    total = torch.linalg.vector_norm(largest / safe * norms)
    total = total.where(total != 0, torch.ones_like(total))
    return x / safe / (total * (1.0 + safety))


def _scaled_columns(x, share, processes):
    """Return the columns of X divided by the roots of the absolute column sums of X^H X.

    These take the columns of all processes, at most ``share`` each: no more than X X^H has.
    """
    whole = processes.gather_shares(adjoint(x), share, "the exchange of columns")
    sums = kernels("torch").gemm(whole, x, 1.0, 0.0, None).abs().sum(-2)
    return x / sums.where(sums > 0, torch.ones_like(sums)).sqrt()


@dataclass(frozen=True)
class Share:
    """The consecutive rows of the longer side of a matrix that one process has.

    Parameters
    ----------
    shape : (int, int)
        Of the whole matrix.
    start, stop : int
    processes : Processes
    """

    shape: tuple
    start: int
    stop: int
    processes: Processes

    @classmethod
    def of(cls, shape, processes):
        """Return what this process has of a matrix of this shape."""
        return cls(shape, *shares(max(shape), processes.size)[processes.rank], processes)

    @property
    def tall(self):
        """Whether the rows are shared: where `orthogonalize` would work on the adjoint."""
        return self.shape[0] > self.shape[1]

    def take(self, a):
        """Return this process's part of a whole matrix, a view."""
        return a[self.start : self.stop] if self.tall else a[:, self.start : self.stop]

    def gather(self, a, what):
        """Return the whole matrix from its parts."""
        long = a if self.tall else a.mT
        share = -(-max(self.shape) // self.processes.size)
        whole = self.processes.gather_shares(long, share, what)[: max(self.shape)]
        return whole if self.tall else whole.mT

    def orthogonalize(self, a, rows, precision):
        """Return this process's part of the orthogonalised matrix from its part ``a``."""
        parts = shares(max(self.shape), self.processes.size)
        lengths, axis = [stop - start for start, stop in parts], -2 if self.tall else -1
        return _orthogonal(a, axis, lengths, rows, precision, "auto", self.processes)


def matrix_of(rule, param):
    """Return the matrix that a parameter is, if its rows can be shared among processes, or None.

    Polynomials ask for nothing but Gram matrices; factorisations need the whole matrix.
    """
    if type(rule) not in (Muon, PolarGrad):
        return None
    method = rule.schedule if type(rule) is Muon else rule.method
    if method in FACTORISING:
        return None
    parts = rule.matrices.split(param)
    return parts[0] if len(parts) == 1 and parts[0].ndim == 2 and param.numel() else None


def sharing(rule, share):
    """Return the rule for a part of a matrix."""
    kind = SharedMuon if type(rule) is Muon else SharedPolarGrad
    return kind(**{**vars(rule), "matrices": AS_THEY_ARE}, share=share)


@dataclass(frozen=True)
class SharedMuon(Muon):
    """The rule of Muon on a part of a matrix."""

    share: Share | None = None

    def _orthogonal(self, a):
        scale = self.scale if callable(self.scale) else SCALES[self.scale]
        rows = polynomials(self.schedule, self.steps, self.normalization)
        x = self.share.orthogonalize(a, rows, self.precision)
        return float(scale(*self.share.shape)) * x


@dataclass(frozen=True)
class SharedPolarGrad(PolarGrad):
    """The rule of PolarGrad with polynomials on a part of a matrix."""

    share: Share | None = None

    def _factor(self, a):
        rows = as_schedule(self.method, self.steps or POLYNOMIAL_STEPS)
        return self.share.orthogonalize(a, rows, self.precision)

    def _inner(self, a, b):
        return self.share.processes.sum(super()._inner(a, b), "the sum of nuclear norms")
