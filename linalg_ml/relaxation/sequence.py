"""Solve one system after another while a tuner learns the parameter of the solver."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from inspect import Parameter, signature
from itertools import count as naturals
from time import perf_counter
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml._core.result import Status
from linalg_ml._core.solve import asks_to_stop
from linalg_ml.relaxation.sequence_costs import Comparison, Price, cost_function
from linalg_ml.relaxation.sor import RULES, sor, ssor
from linalg_ml.relaxation.ssor_cg import ssor_cg
from linalg_ml.relaxation.tuner import Tuner, arms_argument

_SOLVERS = {"sor": sor, "ssor-cg": ssor_cg}
# What the solvers of omega between 0 and 2 take for omega besides numbers.
_RULES = ((sor, RULES), (ssor, ("young",)), (ssor_cg, ()))
# What leaves no x worth starting from.
_UNUSABLE = (Status.DIVERGED, Status.BREAKDOWN, Status.NONFINITE_INPUT)


@dataclass(frozen=True, repr=False)
class SequenceResult:
    """What became of a sequence of systems.

    Attributes
    ----------
    results : tuple of Result
        One per system; empty unless they were kept.
    costs : ndarray of shape (T,)
        What each system really cost, with the fallback.
    omegas : list
        The arm chosen for each system.
    converged : ndarray of bool
        Which systems were solved in the end.
    failed : ndarray of bool
        Which were not: neither that nor ``converged`` where the solver tested nothing.
    fell_back : ndarray of bool
        Which systems the arm chosen did not solve, so that the fallback was called.
    comparison : Comparison or None
        What other choices would have cost, if asked for.
    x : array or None
        The last solution without NaN or infinity; ``x0`` if there was none.
    total : float
        Sum of the costs.
    failures : list of int
        The systems that were not solved; none of those whose solver made a fixed number of steps
        and tested nothing.
    """

    results: tuple
    costs: np.ndarray
    omegas: list
    converged: np.ndarray
    failed: np.ndarray
    fell_back: np.ndarray
    comparison: Comparison | None
    x: Any

    @cached_property
    def total(self):
        return float(self.costs.sum())

    @cached_property
    def failures(self):
        return np.flatnonzero(self.failed).tolist()

    def __repr__(self):
        parts = [f"{len(self.omegas)} systems", f"total={self.total:g}"]
        if self.fell_back.any():
            parts.append(f"{int(self.fell_back.sum())} fell back")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        return f"<SequenceResult: {', '.join(parts)}>"


def solve_sequence(
    systems,
    /,
    *,
    tuner,
    solver="sor",
    contexts=None,
    cost="iterations",
    warm_start=False,
    x0=None,
    budget=None,
    fallback=None,
    failure_cost=None,
    compare=None,
    optimal=None,
    keep_results=True,
    callback=None,
    **options,
):
    """Solve a sequence of linear systems, learning the parameter of the solver on the way.

    Parameters
    ----------
    systems : iterable or callable
        Pairs (A, b), or triples (A, b, context), one by one; or a function of the number of the
        system and the solution before it (``x0`` for the first) that returns one, and None at
        the end, for time steps. Not read ahead.
    tuner : Tuner
        Chooses the parameter: `ChebCB` where a context is known, `UnimodalThompson` or
        `TsallisINF` where none is, `Fixed` to compare. It is changed, so that a later call goes
        on from what it knows.
    solver : "sor", "ssor-cg" or callable
        ``solver(a, b, omega, **options)`` returning a `Result`; one that takes ``omega`` by name
        alone, as `sor` and `ssor_cg` do, is called that way. It must take ``x0`` with
        ``warm_start`` or ``x0``, and ``maxiter`` with ``budget``.
    contexts : iterable of float or callable, optional
        What the tuner is told about each system before it is solved; a function of (a, b).
    cost : "iterations", "seconds" or callable
        What is to be made small in sum. A function of (result, omega) returns a number >= 0,
        omega None for a fallback that is a function; see `Price` for arms of unequal price.
    warm_start : bool
        Start each solve from the solution before it, the first from ``x0``.
    x0 : array, optional
        Starting point of the first solve, also without ``warm_start``.
    budget : int, optional
        Bounds what a bad choice can cost: a system that is not solved within so many
        iterations is handed to the ``fallback``, and both are charged. Replaces ``maxiter`` in
        the first of the two solves.
    fallback : float or callable, optional
        What solves these systems: an omega known to be safe, or another solver, called as
        ``fallback(a, b, **options)``. It starts from the x reached, unless that diverged; a
        criterion relative to the initial residual is then relative to that of this x.
    failure_cost : float, optional
        The least the tuner is told about a system that was not solved in the end, so that an
        early failure is not taken for a cheap solve. None takes the largest cost so far. What is
        charged is the real cost.
    compare : True or sequence of arms, optional
        Solve each system with each of these arms too (True: the arms of the tuner), uncharged
        and from the same starting point, and report what they cost in ``comparison``.
    optimal : callable, optional
        A function of (a, b, context) that returns the best omega of each system, for instance
        ``lambda a, b, c: optimal_omega(a)``; what it costs is reported in ``comparison``.
    keep_results : bool
        Keep the result of each system; they hold the solutions.
    callback : callable, optional
        Called with the number of the system, its result, its omega and its cost; returning True
        ends the sequence.
    **options
        Passed on to every solve: rtol, maxiter, ... With ``steps`` every omega takes as many
        iterations, so that ``cost`` must be something else, such as the residual reached.

    Returns
    -------
    SequenceResult

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or a system is none. Arms and fallback that `sor` or
        `ssor_cg` do not take, and those without a `Price`, are found before the first solve.

    Notes
    -----
    Nothing is solved twice unless ``compare`` or ``optimal`` ask for it. A system that was not
    solved is recorded with its status, charged, and does not end the sequence; after one whose
    x is not finite a warm start goes back to the last that was.

    A system solved without a step and for nothing is not told to the tuner, since every omega
    would have done: one whose right-hand side is zero, or that starts from its solution.

    The best fixed omega and the best omega for each system, which `Comparison` reports, are known
    only afterwards. With a warm start they are compared along the solutions found.

    References
    ----------
    M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters
    across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import delsq, numgrid, shifted_systems
    >>> from linalg_ml.relaxation import UnimodalThompson, optimal_omega, solve_sequence
    >>> systems = shifted_systems(delsq(numgrid("S", 12)), 100, rng=0)
    >>> done = solve_sequence(
    ...     systems,
    ...     solver="sor",
    ...     tuner=UnimodalThompson(np.linspace(1, 1.9, 10), rng=0),
    ...     budget=150,
    ...     fallback=1.7,
    ...     compare=True,
    ...     optimal=lambda a, b, c: optimal_omega(a),
    ... )
    >>> done.failures, round(done.comparison.best_fixed[0], 1)
    ([], 1.6)
    >>> known = done.comparison.instance_optimal  # only with hindsight
    >>> bool(known < done.comparison.best_fixed[1] < done.total < 2 * known)
    True
    """
    if not isinstance(tuner, Tuner):
        raise TypeError(
            "tuner must be a Tuner that holds the arms, for instance UnimodalThompson(arms), got "
            f"{type(tuner).__name__}"
        )
    if (budget is None) != (fallback is None):
        raise ValueError("budget and fallback go together: when to give up, and what to do then")
    if failure_cost is not None:
        failure_cost = checks.number(failure_cost, "failure_cost", minimum=0)
    if compare is not None:
        compare = tuner.arms if compare is True else arms_argument(compare)
    if options.get("steps") is not None and cost == "iterations":
        raise ValueError(
            'cost must be "seconds" or a function of (result, omega) with steps: in iterations '
            "every omega costs the same"
        )
    if optimal is not None and not callable(optimal):
        raise TypeError(f"optimal must be a function of (a, b, context), got {optimal!r}")
    if not callable(solver):
        solver = _SOLVERS[checks.choice(solver, tuple(_SOLVERS), "solver")]
    _check_omegas(solver, cost, tuner, compare, fallback)
    solver = _by_position(solver)
    run = _Run(
        tuner=tuner,
        solver=solver,
        fallback=_fallback(fallback, solver),
        cost=cost_function(cost),
        price=cost if isinstance(cost, Price) else None,
        warm_start=warm_start,
        budget=None if budget is None else checks.count(budget, "budget"),
        failure_cost=failure_cost,
        compare=compare,
        optimal=optimal,
        keep_results=keep_results,
        options=options,
        x=x0,
    )
    draw, context_of = _source(systems), _context_source(contexts)
    for number in naturals():
        system = draw(number, run.x)
        if system is None:
            break
        result = run.solve(*_parts(system, number, context_of))
        if callback is not None and asks_to_stop(
            callback(number, result, run.omegas[-1], run.costs[-1])
        ):
            break
    return run.report()


@dataclass
class _Run:
    """What `solve_sequence` keeps on the way."""

    tuner: Tuner
    solver: Callable
    fallback: tuple | None
    cost: Callable
    price: Price | None
    warm_start: bool
    budget: int | None
    failure_cost: float | None
    compare: tuple | None
    optimal: Callable | None
    keep_results: bool
    options: dict
    x: Any
    results: list = field(default_factory=list)
    costs: list = field(default_factory=list)
    omegas: list = field(default_factory=list)
    converged: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    fell_back: list = field(default_factory=list)
    others: list = field(default_factory=list)  # per system, (cost, converged) of each arm
    optima: list = field(default_factory=list)

    def solve(self, a, b, context):
        """Solve one system, tell the tuner, and keep what is to be reported."""
        omega = self.tuner.ask(context)
        try:
            result, cost, fell_back = self._chosen(a, b, omega)
        except BaseException:
            self.tuner.cancel()
            raise
        told = cost
        failed = _failed(result)
        if failed:
            least = self.failure_cost
            told = max(cost, max(self.costs, default=0.0) if least is None else least)
        if result.converged and result.nit == cost == 0:
            self.tuner.cancel()  # every omega would have done
        else:
            self.tuner.tell(told)
        if self.compare is not None:
            solved = [self._timed(self.solver, a, b, arm, self._start()) for arm in self.compare]
            self.others.append([(cost, not _failed(result)) for result, cost in solved])
        if self.optimal is not None:
            self.optima.append(self._optimum(a, b, self.optimal(a, b, context)))
        self.omegas.append(omega)
        self.costs.append(cost)
        self.converged.append(bool(result.converged))
        self.failed.append(failed)
        self.fell_back.append(fell_back)
        if self.keep_results:
            self.results.append(result)
        if _is_finite(result.x):
            self.x = result.x
        return result

    def _chosen(self, a, b, omega):
        """Return the result, its cost, and whether the fallback was called."""
        start = self._start()
        if self.budget is None:
            return *self._timed(self.solver, a, b, omega, start), False
        result, cost = self._timed(self.solver, a, b, omega, start, maxiter=self.budget)
        if result.converged:
            return result, cost, False
        if result.status not in _UNUSABLE and _is_finite(result.x):
            start = {"x0": result.x}
        solver, omega = self.fallback
        result, more = self._timed(solver, a, b, omega, start)
        return result, cost + more, True

    def _optimum(self, a, b, omega):
        if self.price is not None and not self.price.knows(omega):
            return np.nan  # what is only compared must not end the sequence
        return self._timed(self.solver, a, b, omega, self._start())[1]

    def _start(self):
        first = not self.costs
        return {"x0": self.x} if self.x is not None and (self.warm_start or first) else {}

    def _timed(self, solver, a, b, omega, start, **options):
        began = perf_counter()
        result = solver(a, b, omega, **{**self.options, **start, **options})
        seconds = perf_counter() - began
        if not hasattr(result, "converged"):
            raise TypeError(f"solver must return a Result, got {type(result).__name__}")
        return result, self.cost(result, omega, seconds)

    def report(self):
        """Return the SequenceResult."""
        comparison = None
        if self.compare is not None or self.optimal is not None:
            arms = self.compare or ()
            others = np.array(self.others, dtype=float).reshape(len(self.costs), len(arms), 2)
            optima = None if self.optimal is None else np.array(self.optima)
            comparison = Comparison(arms, others[..., 0], others[..., 1] > 0, optima)
        return SequenceResult(
            tuple(self.results),
            np.array(self.costs, dtype=float),
            self.omegas,
            np.array(self.converged, dtype=bool),
            np.array(self.failed, dtype=bool),
            np.array(self.fell_back, dtype=bool),
            comparison,
            self.x,
        )


def _failed(result):
    return not result.converged and result.status is not Status.FIXED_STEPS


def _is_finite(x):
    """Whether there is an x, without NaN or infinity."""
    if x is None:
        return False
    xp = namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def _check_omegas(solver, cost, tuner, compare, fallback):
    """Raise unless all omegas known beforehand have a price, and the solver takes them."""
    known = {"each arm of tuner": tuner.arms, "each arm of compare": compare or ()}
    if fallback is not None:
        known["fallback"] = [None if callable(fallback) else fallback]
    rules = next((rules for own, rules in _RULES if own is solver), None)
    for name, omegas in known.items():
        for omega in omegas:
            if isinstance(cost, Price) and not cost.knows(omega):
                raise ValueError(f"cost must have a price for {name}, but has none for {omega!r}")
            if rules is None or (name == "fallback" and callable(fallback)):
                continue
            if rules and isinstance(omega, str):
                checks.choice(omega, rules, name)
            else:
                checks.number(omega, name, above=0, below=2)


def _by_position(solver):
    """Return a function of (a, b, omega, **options)."""
    if not _by_name_alone(solver, "omega"):
        return solver
    return lambda a, b, omega, **options: solver(a, b, omega=omega, **options)


def _by_name_alone(function, name):
    try:
        parameter = signature(function).parameters.get(name)
    except ValueError:  # compiled functions have no signature
        return False
    return parameter is not None and parameter.kind is Parameter.KEYWORD_ONLY


def _fallback(fallback, solver):
    """Return the solver to go on with, and its omega."""
    if callable(fallback):
        return (lambda a, b, omega, **options: fallback(a, b, **options)), None
    return solver, fallback


def _source(systems):
    """Return a function of (number, last solution) that returns a system, or None at the end."""
    if callable(systems):
        return systems
    try:
        iterator = iter(systems)
    except TypeError:
        kind = type(systems).__name__
        raise TypeError(f"systems must be an iterable or a function, got {kind}") from None
    return lambda number, x: next(iterator, None)


def _context_source(contexts):
    """Return a function of (a, b) that returns the context, or None."""
    if contexts is None or callable(contexts):
        return contexts
    iterator = iter(contexts)

    def following(a, b):
        try:
            return next(iterator)
        except StopIteration:
            raise ValueError("contexts must hold one number for each system, got fewer") from None

    return following


def _parts(system, number, context_of):
    """Return (A, b, context) of a system."""
    if not isinstance(system, tuple) or len(system) not in (2, 3):
        raise TypeError(
            f"systems must be pairs (A, b) or triples (A, b, context), but number {number} is "
            f"{type(system).__name__}"
        )
    if context_of is None:
        return (*system, None)[:3]
    if len(system) == 3:
        raise ValueError("contexts must be None where the systems bring their own")
    return *system, context_of(*system)
