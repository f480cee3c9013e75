"""What a solver returns: the solution, and an honest account of how it was reached."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

from linalg_ml._core.namespace import is_traced, namespace


@enum.unique
class Status(enum.Enum):
    """Why a solver stopped, from best to worst; ``message`` says what to try."""

    __reduce_ex__ = enum.pickle_by_enum_name  # messages may change

    CONVERGED = "The stopping criterion was met, confirmed on the exact residual."
    FIXED_STEPS = "The requested number of steps was made; nothing was tested."
    STOPPED = "The callback asked to stop before the criterion was met."
    MAXITER = (
        "maxiter was reached before the criterion was met. Raise maxiter, loosen rtol, "
        "or try another method."
    )
    STAGNATED = (
        "The residual stopped falling above its target: this precision or method can do no "
        "better on this input. Use a higher precision or a looser rtol."
    )
    BREAKDOWN = (
        "The recurrence broke down (division by a vanishing quantity). Check that the input has "
        "the structure the method needs, or try another method."
    )
    SINGULAR = (
        "The input is singular to working precision, so the answer is not unique; x is the part "
        "that is determined."
    )
    DIVERGED = (
        "The iteration grew beyond repair, or to infinite or NaN values, from finite input. Check "
        "that the input has the structure the method needs, raise the safety factor or the "
        "precision, or try another method."
    )
    USER_FUNCTION = "A function passed by the caller returned something unusable."
    NONFINITE_INPUT = "The input holds NaN or infinity, or its norm overflows."

    @property
    def message(self):
        """One sentence saying what happened and what to try."""
        return self.value

    @property
    def severity(self):
        """Position in the order from best (0) to worst."""
        return _SEVERITY[self]

    def __repr__(self):
        return f"Status.{self.name}"


_SEVERITY = {status: rank for rank, status in enumerate(Status)}


def worst(statuses):
    """Return the most severe of several statuses; of none, CONVERGED."""
    return max(statuses, key=lambda status: status.severity, default=Status.CONVERGED)


class ConvergenceError(RuntimeError):
    """Raised by `Result.unwrap` when the solver did not succeed; carries ``.result``."""

    def __init__(self, result):
        self.result = result
        at = "" if result.residual is None else f" (residual {_worst_number(result.residual):.3g})"
        why = result.status.message
        if result.status is Status.FIXED_STEPS:
            why = "x holds NaN or infinity."
        super().__init__(f"{result.status.name} after {result.nit} steps{at}. {why}")

    def __reduce__(self):
        return ConvergenceError, (self.result,)


class UserFunctionError(RuntimeError):
    """Raised inside a solver when a caller's function returns something unusable."""


def _worst_number(residual):
    if not getattr(residual, "shape", ()):
        return float(residual)
    return float(residual.max()) if residual.size else math.nan


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Result:
    """The outcome of a solver.

    Attributes
    ----------
    x : array
        The solution, in the library, device, dtype and shape of the input.
    status : Status
        Why the solver stopped; for a stack, the worst of ``statuses``.
    nit : int
        Steps made.
    residual : float, ndarray or None
        The exact residual at the end (host numbers; one per matrix for a stack); None if
        nothing was tested.
    criterion : str
        The rule that was applied, in words.
    extras : mapping
        What else the solver computed; each entry is also an attribute of the result.
    counts : mapping
        Operations counted: "products" (matrix products), "flops", "matvecs", ...
    history : tuple of dict or None
        The measures at each check, if asked for.
    precision : str
        The arithmetic that was used, and whether it was native or emulated.
    method : object
        The method that ran, with its hyperparameters.
    statuses : ndarray of Status or None
        One status per matrix of a stack.
    """

    x: Any
    status: Status
    nit: int
    residual: Any
    criterion: str
    extras: Mapping
    counts: Mapping
    history: tuple | None
    precision: str
    method: Any
    statuses: Any

    def __init__(
        self,
        x,
        status,
        nit,
        residual,
        criterion,
        extras=MappingProxyType({}),
        counts=MappingProxyType({}),
        history=None,
        precision="",
        method=None,
        statuses=None,
    ):
        self.__dict__.update(
            x=x,
            status=status,
            nit=nit,
            residual=residual,
            criterion=criterion,
            extras=MappingProxyType(dict(extras)),
            counts=MappingProxyType(dict(counts)),
            history=history,
            precision=precision,
            method=method,
            statuses=statuses,
        )

    def __reduce__(self):
        fields = {**self.__dict__, "extras": dict(self.extras), "counts": dict(self.counts)}
        fields.pop("success", None)
        return partial(Result, **fields), ()

    def __getattr__(self, name):
        if not name.startswith("_"):
            try:
                return self.__dict__["extras"][name]
            except KeyError:
                pass
        known = ", ".join(self.__dict__.get("extras", ()))
        raise AttributeError(
            f"Result has no attribute {name!r}" + (f"; its extras are {known}" if known else "")
        )

    def __iter__(self):
        names = ", ".join(f"result.{name}" for name in ("x", *self.extras))
        raise TypeError(f"a Result is no tuple: take {names}")

    def __dir__(self):
        return [*super().__dir__(), *self.extras]

    @property
    def message(self):
        """The status in a sentence, with what to try."""
        return self.status.message

    @property
    def converged(self):
        """True only if the criterion was met, confirmed on the exact residual."""
        return self.status is Status.CONVERGED

    @cached_property
    def success(self):
        """True if converged, or if a fixed number of steps left every entry finite."""
        if self.status is not Status.FIXED_STEPS:
            return self.converged
        parts = self.x if isinstance(self.x, tuple) else (self.x,)
        if any(is_traced(part) for part in parts):
            raise ValueError("result.success cannot be read inside jax.jit: its values are traced")
        return all(bool(namespace(part).all(namespace(part).isfinite(part))) for part in parts)

    def unwrap(self):
        """Return ``x``, or raise `ConvergenceError` unless `success` holds."""
        if not self.success:
            raise ConvergenceError(self)
        return self.x

    def __repr__(self):
        by = f" ({self.criterion})" if self.converged else ""
        parts = [self.status.name + by, f"nit={self.nit}"]
        if self.residual is not None:
            worst_residual = _worst_number(self.residual)
            if not math.isnan(worst_residual):
                parts.append(f"residual={worst_residual:.2e}")
        parts += [f"{name}={value:g}" for name, value in self.counts.items() if value]
        parts.append(f"precision={self.precision!r}")
        if self.extras:
            parts.append("extras: " + ", ".join(self.extras))
        return f"<Result {'; '.join(parts)}>"
