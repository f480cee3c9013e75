"""The schedule: a composition of odd polynomials that takes singular values to 1."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import isfinite
from numbers import Integral, Real

from linalg_ml.matrix_functions.odd_polynomials import (
    check_interval,
    evaluate,
    image,
    newton_schulz_polynomial,
)

__all__ = ["PRODUCTS", "Schedule"]

#: Matrix products that apply one odd polynomial to a square matrix X, by its degree. With
#: A = X X^H: degree 3 needs A and (..)X; 5 also A^2; 7 and 9 also A^2 (c_2 I + c_3 A + c_4 A^2);
#: 11 and 13 also A^3, with A^3 (c_3 I + c_4 A + c_5 A^2 + c_6 A^3).
PRODUCTS = {3: 2, 5: 3, 7: 4, 9: 4, 11: 5, 13: 5}

_AFTER = ("limit", "repeat", "cycle")
_NORMALIZATIONS = ("frobenius", "schatten", "aol")


@dataclass(frozen=True, repr=False)
class Schedule:
    """Hold the odd polynomials of an iteration, one row of coefficients for each step.

    Parameters
    ----------
    coefficients : sequence of sequences of float
        Row t holds ``(c_0, ..., c_q)`` of ``p_t(x) = c_0 x + c_1 x^3 + ... + c_q x^(2q+1)``, of
        degree 3 to 13; degrees may differ from step to step. The last step applied is the last
        row.
    lower, upper : float
        The interval of singular values the schedule is made for or, for a list that was not made
        for any, judged on; ``0 < lower <= upper``.
    name : str
        Short name.
    source : str
        Where the numbers come from.
    after : {"limit", "repeat", "cycle"}
        What steps beyond the last row are: the Newton-Schulz polynomial of the last degree, the
        last row again, or the whole list from its start.
    normalization : {"frobenius", "schatten", "aol"}
        How a matrix is scaled before the first step: divided by its Frobenius norm, by its
        Schatten-4 norm ||X X^H||_F^(1/2), which is smaller, or its rows by the square roots of
        the absolute row sums of its Gram matrix (almost orthogonal layer).
    safety : float
        Headroom: the norm it is divided by is first multiplied with ``1 + safety``.
    restarts : None or tuple of int
        How a wide matrix is to be taken through the steps: None computes with the matrix itself
        (direct form), a tuple with its Gram matrix, which is formed anew before the steps it
        names, counted from 0; see `linalg_ml.matrix_functions.gram_form`.

    Notes
    -----
    Schedules are immutable, hashable and comparable, so that they can be static arguments of
    compiled functions. All numbers are Python floats and promote no array.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.composition import Schedule
    >>> s = Schedule(((1.5, -0.5),), lower=0.1, after="repeat").take(4)
    >>> len(s), s.products, round(s.error, 6)
    (4, 8, 0.525168)
    >>> s(0.1) == 1 - s.error
    True
    """

    coefficients: tuple[tuple[float, ...], ...]
    lower: float = 1e-3
    upper: float = 1.0
    name: str = "custom"
    source: str = ""
    after: str = "limit"
    normalization: str = "frobenius"
    safety: float = 0.0
    restarts: tuple[int, ...] | None = None

    def __post_init__(self):
        lower, upper = check_interval(self.lower, self.upper)
        for field, value, known in (
            ("after", self.after, _AFTER),
            ("normalization", self.normalization, _NORMALIZATIONS),
        ):
            if value not in known:
                raise ValueError(f"{field} must be one of {known}, got {value!r}")
        for field, value in (
            ("coefficients", _checked_rows(self.coefficients)),
            ("lower", lower),
            ("upper", upper),
            ("safety", check_safety(self.safety)),
        ):
            object.__setattr__(self, field, value)
        if self.restarts is not None:
            restarts = _checked_restarts(self.restarts, len(self.coefficients))
            object.__setattr__(self, "restarts", restarts)

    def __repr__(self):
        shown = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if getattr(self, f.name) != f.default
        )
        return f"Schedule({shown})"

    def __len__(self):
        """Return the number of steps."""
        return len(self.coefficients)

    def __iter__(self):
        """Iterate over the rows of coefficients."""
        return iter(self.coefficients)

    def __call__(self, x):
        """Evaluate the composition elementwise on a number or an array of any library."""
        for row in self.coefficients:
            x = evaluate(row, x)
        return x

    @property
    def degrees(self):
        """Degree of each step."""
        return tuple(2 * len(row) - 1 for row in self.coefficients)

    @property
    def products(self):
        """Matrix products that apply the schedule once to a square matrix."""
        return sum(PRODUCTS[degree] for degree in self.degrees)

    @cached_property
    def error(self):
        """Largest ``abs(1 - p(x))`` of the composition p for x in ``[lower, upper]``."""
        return self.error_on(self.lower, self.upper)

    def error_on(self, lower, upper):
        """Return the largest ``abs(1 - p(x))`` of the composition on another interval.

        It is exact up to rounding: the range of the composition is found by following the range
        of each step through its ends and critical points.
        """
        lower, upper = check_interval(lower, upper)
        return _distance(self._ranges(lower, upper)[-1])

    def intervals(self):
        """Return the ranges of the singular values: before each step, and after the last.

        Returns
        -------
        list of (float, float)
            ``len(self) + 1`` pairs, the first ``(lower, upper)``.
        """
        return self._ranges(self.lower, self.upper)

    def errors(self):
        """Return the largest ``abs(1 - x)`` after each step, a list of ``len(self)`` floats."""
        return [_distance(interval) for interval in self.intervals()[1:]]

    def _ranges(self, lower, upper):
        ranges = [(lower, upper)]
        for row in self.coefficients:
            ranges.append(image(row, *ranges[-1]))
        return ranges

    def take(self, steps):
        """Return a schedule of exactly this many steps.

        A shorter one keeps the first rows as they are (a schedule made for that number of steps
        has a smaller error); a longer one is extended as `after` says.

        Parameters
        ----------
        steps : int
            At least 1.
        """
        steps = check_steps(steps)
        missing = steps - len(self)
        if missing == 0:
            return self
        rows, restarts = self.coefficients[:steps], self.restarts
        if restarts is not None:
            restarts = tuple(step for step in restarts if step < steps)
        if missing > 0:
            if self.after == "cycle":
                rows = (rows * (missing // len(self) + 2))[:steps]
            elif self.after == "repeat":
                rows += rows[-1:] * missing
            else:
                rows += (newton_schulz_polynomial(self.degrees[-1]),) * missing
        return replace(self, coefficients=rows, restarts=restarts)


def _distance(interval):
    return max(1.0 - interval[0], interval[1] - 1.0)


def _checked_restarts(restarts, steps):
    """Return the restarts as an increasing tuple of integers, or raise."""
    expected = f"restarts must be None or steps from 1 to {steps - 1}, each larger than the last"
    if isinstance(restarts, (str, bytes)) or not isinstance(restarts, Iterable):
        raise TypeError(f"{expected}, got {restarts!r}")
    found = tuple(restarts)
    if not all(isinstance(step, Integral) and not isinstance(step, bool) for step in found):
        raise TypeError(f"{expected}, got {restarts!r}")
    found = tuple(map(int, found))
    if any(not 0 < step < steps for step in found) or sorted(set(found)) != list(found):
        raise ValueError(f"{expected}, got {restarts!r}")
    return found


def _checked_rows(coefficients):
    """Return the rows as tuples of Python floats, or raise."""
    expected = "coefficients must be a non-empty sequence of rows of numbers"
    if not isinstance(coefficients, Iterable) or isinstance(coefficients, str):
        raise TypeError(f"{expected}, got {coefficients!r}")
    rows = []
    for row in coefficients:
        if not isinstance(row, Iterable) or isinstance(row, str):
            raise TypeError(f"{expected}, got the row {row!r}")
        row = tuple(row)
        if not all(isinstance(c, Real) and not isinstance(c, bool) for c in row):
            raise TypeError(f"{expected}, got the row {row!r}")
        row = tuple(map(float, row))
        if 2 * len(row) - 1 not in PRODUCTS:
            raise ValueError(
                "each row of coefficients must have 2 to 7 entries (degree 3 to 13), "
                f"got {len(row)}: {row!r}"
            )
        if not all(map(isfinite, row)):
            raise ValueError(f"coefficients must be finite, got the row {row!r}")
        rows.append(row)
    if not rows:
        raise ValueError(f"{expected}, got an empty one")
    return tuple(rows)


def check_steps(steps):
    """Return the number of steps as an int, or raise."""
    if not isinstance(steps, Integral) or isinstance(steps, bool):
        raise TypeError(f"steps must be an integer, got {steps!r}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps!r}")
    return int(steps)


def check_safety(safety):
    """Return the headroom as a float, or raise."""
    if not isinstance(safety, Real) or isinstance(safety, bool):
        raise TypeError(f"safety must be a real number, got {safety!r}")
    if not 0.0 <= safety < 1.0:
        raise ValueError(f"safety must be in [0, 1), got {safety!r}")
    return float(safety)
