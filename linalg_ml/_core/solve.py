"""The one convergence loop, and what a method must offer to be run by it.

A *method* is a frozen dataclass of hyperparameters, derived from `Method`, with

``init(problem, arithmetic, x0) -> state``
    Start. ``x0`` is None or the caller's starting point.
``step(problem, state, arithmetic) -> state``
    Make one step. The old state is consumed: its arrays may be reused, the inputs never.
``scale(problem, arithmetic) -> number or array``
    What ``rtol`` is relative to; called once.
``measure(problem, state, arithmetic, exact) -> {name: number or 0-d array}``
    The quantities a criterion may name, one of them "residual"; for a stack, arrays of the
    stack's shape. ``exact=True`` recomputes all of them from the problem and x; otherwise
    cheap stand-ins may be given and expensive ones left out.
``finish(problem, state, arithmetic) -> (x, extras)``
    The solution in the working type (an array or a tuple of them), and what else was computed.

and, where a compiled kernel makes many steps in one call,

``advance(problem, state, arithmetic, steps, target) -> (state, steps made, met)``
    Make at most ``steps`` steps and stop at the first whose residual is <= ``target``. With
    ``target=None`` (a fixed number of steps, a stack, another criterion) make all of them.

`iterate` alone knows stopping, history, callbacks and status. What overflows or is NaN ends up
in a status, so front functions silence NumPy's warnings once, for all they call, with
``@np.errstate(all="ignore")``.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.result import Result, Status, UserFunctionError, worst
from linalg_ml._core.verdict import Verdict, either, fate, finite, host, largest, maximum, negate


class Method:
    """What a method may leave out."""

    criterion = "residual"  # what "residual" is, in words
    rule = None  # what ``stopped`` tests, in words, where that is something else
    yields = ()  # of what ``stopped`` says, that which gives way where the targets are met
    default_rtol = 1e-5  # a number, or {name of the precision: number}
    default_maxiter = 1000
    check_every = 1
    advance = None

    def targets(self, problem, arithmetic):
        """Return {measure: target} that replaces the residual test when no tolerance is given."""
        return None

    def stopped(self, problem, state, measures):
        """Return a Status to stop by the method's own rule (or one per matrix), else None.

        Asked before the residual is tested, and stronger than that test. It may be CONVERGED
        only where the caller asked for the rule. For a stack, an object array of Status and
        None; a matrix once given a status must be given one at every later check.
        """
        return None

    def verify(self, problem, state, arithmetic):
        """Look once more before success is reported; return a Status to report instead."""
        return None

    def patience(self, problem, arithmetic):
        """Return (first step, checks): STAGNATED after so many checks without progress."""
        return None

    def refresh(self, problem, state, arithmetic):
        """Return a new state whose residual is recomputed from x, after a failed confirmation.

        A method that returns the same state is asked for a smaller residual the next time.
        """
        return state


@dataclass(frozen=True)
class Progress:
    """What a callback sees: ``nit``, ``measures`` and, computed when read, ``x``."""

    nit: int
    measures: dict
    _solution: Callable

    @property
    def x(self):
        """The current iterate, in the dtype of the input."""
        return self._solution()


def asks_to_stop(answer):
    """Return whether a callback returned True; no other answer stops."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


class Run(NamedTuple):
    """Where an iteration stands; pass it to `iterate` as ``state`` to go on."""

    method: Any
    problem: Any
    arithmetic: Any
    state: Any
    status: Status
    nit: int
    criterion: str
    residual: Any = None
    statuses: Any = None
    history: tuple | None = None

    def solution(self):
        """Return (x, extras), x in the dtype of the input; x is None if there was no start."""
        if self.state is None:
            return None, {}
        return _solution(self.method, self.problem, self.state, self.arithmetic)

    def result(self):
        """Finish the solution and return the Result."""
        x, extras = self.solution()
        return Result(
            x=x,
            status=self.status,
            nit=self.nit,
            residual=self.residual,
            criterion=self.criterion,
            extras=extras,
            counts=self.arithmetic.counts,
            history=self.history,
            precision=str(self.arithmetic),
            method=self.method,
            statuses=self.statuses,
        )


def _solution(method, problem, state, arithmetic):
    x, extras = method.finish(problem, state, arithmetic)
    if isinstance(x, tuple):
        return tuple(map(arithmetic.leave, x)), extras
    return arithmetic.leave(x), extras


def solve(method, problem, arithmetic, **options):
    """Run `iterate` and return its Result."""
    return iterate(method, problem, arithmetic, **options).result()


def iterate(
    method,
    problem,
    arithmetic,
    *,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    callback=None,
    check_every=None,
    history=False,
    state=None,
):
    """Step a method until its criterion is met, confirmed on the exact residual, or it cannot be.

    Parameters
    ----------
    method, problem : object
        See the head of this module.
    arithmetic : Arithmetic
        The precision policy the method computes in.
    rtol, atol : float, optional
        Stop when residual <= max(rtol * scale, atol). With neither, the method's own default.
    maxiter : int, optional
        Cap on the steps made in this call.
    steps : int, optional
        Make exactly this many steps and test nothing; excludes rtol, atol and maxiter.
    x0 : array, optional
        Starting point.
    callback : callable, optional
        Called with a `Progress` after each check (each step with ``steps``); returning True
        stops.
    check_every : int, optional
        Steps between checks; None leaves it to the method.
    history : bool
        Record the measures at each check.
    state : Run, optional
        Go on from here; excludes ``x0``.

    Returns
    -------
    Run
    """
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    if state is not None and x0 is not None:
        raise ValueError("x0 is where a run starts, so it excludes state, a run that has started")
    loop = _Loop(method, problem, arithmetic, limits, callback, history)
    try:
        if state is None:
            loop.start(x0)
        else:
            loop.resume(state)
        status = loop.make_steps() if steps is not None else loop.meet_target()
    except UserFunctionError as error:
        loop.criterion = str(error)
        status = Status.USER_FUNCTION
    return loop.run(status)


class Limits(NamedTuple):
    """The caller's stopping arguments, checked."""

    rtol: float | None
    atol: float
    maxiter: int | None
    steps: int | None
    check_every: int | None


def check_limits(rtol, atol, maxiter, steps, check_every, callback):
    """Return the stopping arguments as `Limits`, or raise an error that names the wrong one."""
    if steps is not None:
        tests = {"rtol": rtol, "atol": atol or None, "maxiter": maxiter}
        given = [name for name, value in tests.items() if value is not None]
        if given:
            raise ValueError(
                f"steps runs a fixed number of steps without a test, so it excludes "
                f"{' and '.join(given)}"
            )
        steps = checks.count(steps, "steps", minimum=0)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    return Limits(
        None if rtol is None else checks.number(rtol, "rtol", minimum=0),
        0.0 if atol == 0 else checks.number(atol, "atol", minimum=0),
        None if maxiter is None else checks.count(maxiter, "maxiter", minimum=0),
        steps,
        None if check_every is None else checks.count(check_every, "check_every"),
    )


class _Loop:
    """The state of one call of `iterate`."""

    def __init__(self, method, problem, arithmetic, limits, callback, history):
        self.method, self.problem, self.arithmetic = method, problem, arithmetic
        self.limits, self.callback = limits, callback
        self.records = [] if history else None
        self.nit = 0
        self.state = self.residual = self.statuses = None
        self.criterion = "none: a fixed number of steps"

    def start(self, x0):
        self.state = self.method.init(self.problem, self.arithmetic, x0)

    def resume(self, run):
        self.state, self.nit = run.state, run.nit
        if self.records is not None:
            self.records.extend(run.history or ())

    def run(self, status):
        history = None if self.records is None else tuple(self.records)
        return Run(
            self.method,
            self.problem,
            self.arithmetic,
            self.state,
            status,
            self.nit,
            self.criterion,
            self.residual,
            self.statuses,
            history,
        )

    # Without a test --------------------------------------------------------------------------

    def make_steps(self):
        steps = self.limits.steps
        if self.callback is None and self.records is None:
            self.advance(steps, None)
            return Status.FIXED_STEPS
        if self.records is not None:
            self.record(self.measure(exact=False))
        for _ in range(steps):
            self.advance(1, None)
            measures = {} if self.records is None else self.measure(exact=False)
            if self.report(measures):
                return Status.STOPPED
        return Status.FIXED_STEPS

    # To a target -----------------------------------------------------------------------------

    def meet_target(self):
        method, problem, arithmetic = self.method, self.problem, self.arithmetic
        scale = host(method.scale(problem, arithmetic))
        targets = self.choose_targets(scale)
        limit = self.limits.maxiter
        last = self.nit + (method.default_maxiter if limit is None else limit)

        measures = self.measure(exact=False)
        unusable = negate(finite(scale) & finite(measures["residual"]))
        verdict = Verdict(targets, unusable, method.patience(problem, arithmetic), self.nit)
        every = self.choose_pace(verdict)
        if self.records is not None:
            self.record(measures)
        while True:
            own = method.stopped(problem, self.state, measures)
            reason = verdict.judge(measures, self.nit, own)
            exact = None
            if reason is Status.CONVERGED:
                exact = self.measure(exact=True)
                if verdict.confirm(exact):
                    own = either(own, self.verified(True))
                elif verdict.hopeless:
                    reason = Status.STAGNATED
                else:
                    reason = None
                    self.refresh(verdict, measures, exact)
            if reason is None and self.nit >= last:
                reason = Status.MAXITER
            if reason is not None:
                return self.conclude(reason, exact, verdict, own)
            if not self.advance(min(every, last - self.nit), verdict.goal):
                return self.conclude(Status.STAGNATED, None, verdict, own)
            measures = self.measure(exact=False)
            if self.report(measures):
                return self.conclude(Status.STOPPED, None, verdict)

    def choose_targets(self, scale):
        limits, method = self.limits, self.method
        own = None
        if limits.rtol is None and limits.atol == 0:
            own = method.targets(self.problem, self.arithmetic)
        if own is None:
            rtol = method.default_rtol if limits.rtol is None else limits.rtol
            if isinstance(rtol, dict):
                rtol = rtol[self.arithmetic.name]
            own = {"residual": maximum(rtol * scale, limits.atol)}
        targets, parts = {}, []
        for name, target in own.items():
            targets[name] = target = host(target)
            what = method.criterion if name == "residual" else name
            parts.append(f"{what} <= {largest(target):.3g}")
        self.criterion = " and ".join(parts)
        return targets

    def choose_pace(self, verdict):
        """Return the steps between checks."""
        asked = self.limits.check_every
        if asked is not None:
            return asked
        if self.callback is not None or self.records is not None:
            return 1
        if self.method.advance is not None and verdict.goal is None:
            return 1  # the compiled loop has nothing to stop at
        return self.method.check_every

    def refresh(self, verdict, measures, exact):
        """Go on after a failed confirmation: with a true residual, or asking for more of it."""
        before = self.state
        self.state = self.method.refresh(self.problem, before, self.arithmetic)
        if self.state is before:
            verdict.demand(measures, exact)

    def conclude(self, reason, exact, verdict, own=None):
        """Set the residual and the status of each matrix; return the worst.

        ``own`` holds what the method's own rule said, for all or for each matrix.
        """
        if exact is None:
            exact = self.measure(exact=True)
            own = either(own, self.verified(verdict.meets(exact)))
        self.residual = exact["residual"]
        if own is not None and (own is Status.CONVERGED or self.method.rule):
            self.criterion = self.method.rule or self.method.criterion
        known = (verdict.meets(exact), own, finite(self.residual), verdict.lost, verdict.unusable)
        judge = functools.partial(fate, yields=self.method.yields)
        if type(self.residual) is float:
            return judge(reason, *known)
        fates = np.frompyfunc(judge, 6, 1)(reason, *known)
        self.statuses = np.broadcast_to(np.asarray(fates, object), self.residual.shape).copy()
        return worst(self.statuses.flat)

    # Parts -----------------------------------------------------------------------------------

    def verified(self, met):
        """Return what the method finds on a second look where the targets are met."""
        if not np.any(met):
            return None
        found = self.method.verify(self.problem, self.state, self.arithmetic)
        return found if found is None or type(met) is bool else np.where(met, found, None)

    def advance(self, steps, goal):
        """Make at most so many steps; return how many."""
        method, problem, arithmetic = self.method, self.problem, self.arithmetic
        if method.advance is not None:
            self.state, steps, _ = method.advance(problem, self.state, arithmetic, steps, goal)
            self.nit += steps
            return steps
        for _ in range(steps):
            self.state = method.step(problem, self.state, arithmetic)
            self.nit += 1
        return steps

    def measure(self, exact):
        measures = self.method.measure(self.problem, self.state, self.arithmetic, exact)
        for name, value in measures.items():
            if type(value) is not float:
                return {name: host(value) for name, value in measures.items()}
        return measures

    def record(self, measures):
        if not (self.records and self.records[-1]["nit"] == self.nit):  # where a run goes on
            self.records.append({"nit": self.nit, **measures})

    def report(self, measures):
        """Record the measures and tell the callback; return True if it asks to stop."""
        if self.records is not None:
            self.record(measures)
        if self.callback is None:
            return False
        method, problem, state, arithmetic = self.method, self.problem, self.state, self.arithmetic
        progress = Progress(
            self.nit, measures, lambda: _solution(method, problem, state, arithmetic)[0]
        )
        return asks_to_stop(self.callback(progress))
