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
    The solution in the working type, and what else was computed.

`iterate` alone knows stopping, history, callbacks and status.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.result import Result, Status, UserFunctionError, worst

_CONFIRMATIONS = 3  # exact residuals above target, none half the best, before giving up
_PROGRESS = 0.99  # a check that does not reach this fraction of the best made no progress


class Method:
    """What a method may leave out."""

    criterion = "residual"  # what "residual" is, in words
    default_rtol = 1e-5
    default_maxiter = 1000
    check_every = 1

    def targets(self, problem, arithmetic):
        """Return {measure: target} that replaces the residual test when no tolerance is given."""
        return None

    def stopped(self, problem, state, measures):
        """Return a Status to stop by the method's own rule (or one per matrix), else None.

        The rule stands in ``criterion``. It may be CONVERGED only where the caller asked for it.
        """
        return None

    def verify(self, problem, state, arithmetic):
        """Look once more before success is reported; return a Status to report instead."""
        return None

    def patience(self, problem, arithmetic):
        """Return (first step, checks): STAGNATED after so many checks without progress."""
        return None

    def refresh(self, problem, state, arithmetic):
        """Return a state whose residual is recomputed from x, after a failed confirmation."""
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


@dataclass(frozen=True)
class Run:
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

    def result(self):
        """Finish the solution and return the Result."""
        x, extras = self.method.finish(self.problem, self.state, self.arithmetic)
        leave = self.arithmetic.leave
        return Result(
            x=tuple(map(leave, x)) if isinstance(x, tuple) else leave(x),
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
        Go on from here.

    Returns
    -------
    Run
    """
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    loop = _Loop(method, problem, arithmetic, limits, callback, history)
    if state is None:
        loop.start(x0)
    else:
        loop.resume(state)
    try:
        status = loop.make_steps() if steps is not None else loop.meet_target()
    except UserFunctionError as error:
        loop.criterion = str(error)
        status = Status.USER_FUNCTION
    return loop.run(status)


@dataclass(frozen=True)
class Limits:
    """The caller's stopping arguments, checked."""

    rtol: float | None
    atol: float
    maxiter: int | None
    steps: int | None
    check_every: int | None


def check_limits(rtol, atol, maxiter, steps, check_every, callback):
    """Return the stopping arguments as `Limits`, or raise an error that names the wrong one."""
    if steps is not None:
        given = [
            name
            for name, value in (("rtol", rtol), ("atol", atol or None), ("maxiter", maxiter))
            if value is not None
        ]
        if given:
            raise ValueError(
                f"steps runs a fixed number of steps without a test, so it excludes "
                f"{' and '.join(given)}"
            )
        steps = checks.count(steps, "steps", minimum=0)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    return Limits(
        rtol=None if rtol is None else checks.number(rtol, "rtol", minimum=0),
        atol=checks.number(atol, "atol", minimum=0),
        maxiter=None if maxiter is None else checks.count(maxiter, "maxiter", minimum=0),
        steps=steps,
        check_every=None if check_every is None else checks.count(check_every, "check_every"),
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
        return Run(
            method=self.method,
            problem=self.problem,
            arithmetic=self.arithmetic,
            state=self.state,
            status=status,
            nit=self.nit,
            criterion=self.criterion,
            residual=self.residual,
            statuses=self.statuses,
            history=None if self.records is None else tuple(self.records),
        )

    # Without a test --------------------------------------------------------------------------

    def make_steps(self):
        steps = self.limits.steps
        if self.callback is None and self.records is None:
            self.advance(steps, None)
            return Status.FIXED_STEPS
        for _ in range(steps):
            self.advance(1, None)
            measures = {} if self.records is None else self.measure(exact=False)
            if self.report(measures):
                return Status.STOPPED
        return Status.FIXED_STEPS

    # To a target -----------------------------------------------------------------------------

    def meet_target(self):
        method, problem, arithmetic = self.method, self.problem, self.arithmetic
        scale = _host(method.scale(problem, arithmetic))
        targets = self.choose_targets(scale)
        limit = self.limits.maxiter
        last = self.nit + (method.default_maxiter if limit is None else limit)
        patience = method.patience(problem, arithmetic)
        every = self.limits.check_every or method.check_every
        if self.callback is not None or self.records is not None:
            every = self.limits.check_every or 1

        measures = self.measure(exact=False)
        unusable = ~(np.isfinite(scale) & np.isfinite(measures["residual"]))
        verdict = _Verdict(targets, unusable, patience, self.nit)
        self.report(measures, initial=True)
        while True:
            own = method.stopped(problem, self.state, measures)
            reason = verdict.judge(measures, self.nit, _given(own))
            exact = None
            if reason is Status.CONVERGED:
                exact = self.measure(exact=True)
                if verdict.confirm(exact):
                    own = own if own is not None else method.verify(problem, self.state, arithmetic)
                elif verdict.hopeless:
                    reason = Status.STAGNATED
                else:
                    reason = None
                    self.state = method.refresh(problem, self.state, arithmetic)
            if reason is None and self.nit >= last:
                reason = Status.MAXITER
            if reason is not None:
                return self.conclude(reason, exact, verdict, own)
            self.advance(min(every, last - self.nit), verdict.goal)
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
            own = {"residual": np.maximum(rtol * scale, limits.atol)}
        names = {"residual": method.criterion}
        self.criterion = " and ".join(
            f"{names.get(name, name)} <= {np.max(target):.3g}" for name, target in own.items()
        )
        return own

    def conclude(self, reason, exact, verdict, own=None):
        """Set the residual and the status of each matrix; return the worst.

        ``own`` holds what the method's own rule said, for all or for each matrix.
        """
        if exact is None:
            exact = self.measure(exact=True)
        self.residual = exact["residual"]
        if own is Status.CONVERGED:
            self.criterion = self.method.criterion
        shape = np.shape(self.residual)
        statuses = np.full(shape, Status.STAGNATED if reason is Status.CONVERGED else reason)
        layers = (
            (verdict.meets(exact), Status.CONVERGED),
            (_given(own), own),
            (~np.isfinite(self.residual), Status.DIVERGED),
            (verdict.unusable, Status.NONFINITE_INPUT),
        )
        for where, status in layers:
            statuses = np.where(where, status, statuses)
        if shape == ():
            return statuses[()]
        self.statuses = statuses
        return worst(statuses.flat)

    # Parts -----------------------------------------------------------------------------------

    def advance(self, steps, goal):
        method, problem, arithmetic = self.method, self.problem, self.arithmetic
        many = getattr(method, "advance", None)
        if many is not None:
            self.state, done, _ = many(problem, self.state, arithmetic, steps, goal)
            self.nit += done
            return
        for _ in range(steps):
            self.state = method.step(problem, self.state, arithmetic)
            self.nit += 1

    def measure(self, exact):
        measures = self.method.measure(self.problem, self.state, self.arithmetic, exact)
        return {name: _host(value) for name, value in measures.items()}

    def report(self, measures, initial=False):
        """Record the measures and tell the callback; return True if it asks to stop."""
        if self.records is not None:
            self.records.append({"nit": self.nit, **measures})
        if self.callback is None or initial:
            return False
        state = self.state

        def solution():
            return self.arithmetic.leave(
                self.method.finish(self.problem, state, self.arithmetic)[0]
            )

        return self.callback(Progress(self.nit, measures, solution)) is True


class _Verdict:
    """Which matrices have met the targets, and whether there is still hope for the others."""

    def __init__(self, targets, unusable, patience, nit):
        self.targets, self.unusable = targets, unusable
        self.settled = unusable
        self.first, self.checks = patience or (None, None)
        self.first = None if self.first is None else self.first + nit
        self.best = self.best_exact = np.inf
        self.idle = self.failed = 0
        # A compiled loop can stop by itself where one number is asked of one matrix.
        single = len(targets) == 1 and "residual" in targets and np.ndim(targets["residual"]) == 0
        self.goal = float(targets["residual"]) if single else None

    @property
    def hopeless(self):
        return self.failed >= _CONFIRMATIONS

    def meets(self, measures):
        """Say which matrices meet every target that was measured."""
        met = True
        for name, target in self.targets.items():
            if name in measures:
                met = met & (measures[name] <= target)
        return met

    def merit(self, measures):
        """Return the worst measure of the unsettled matrices in units of its target."""
        merit = 0.0
        for name, target in self.targets.items():
            if name in measures:
                value = np.asarray(measures[name], dtype=float)
                unit = np.where(np.asarray(target) > 0, target, 1.0)
                value = np.where(self.settled | ~np.isfinite(value), 0.0, value / unit)
                merit = max(merit, float(value.max()))
        return merit

    def judge(self, measures, nit, given):
        """Return CONVERGED if all seem to meet the targets, another status to give up, or None.

        ``given`` says which matrices the method's own rule has settled.
        """
        met = self.meets(measures)
        self.settled = self.unusable | ~np.isfinite(measures["residual"]) | given
        if np.all(met | self.settled):
            return Status.STAGNATED if np.all(self.settled) else Status.CONVERGED
        if self.first is None or nit < self.first:
            return None
        merit = self.merit(measures)
        if merit < _PROGRESS * self.best:
            self.best, self.idle = merit, 0
            return None
        self.idle += 1
        return Status.STAGNATED if self.idle >= self.checks else None

    def confirm(self, exact):
        """Say whether the exact measures meet the targets; remember it if they do not."""
        if np.all(self.meets(exact) | self.settled):
            return True
        merit = self.merit(exact)
        if merit < 0.5 * self.best_exact:
            self.best_exact, self.failed = merit, 0
        self.failed += 1
        return False


def _given(own):
    """Say for which matrices a method's own rule gave a status."""
    if own is None or isinstance(own, Status):
        return own is not None
    return own != np.array(None)


def _host(value):
    """Return a Python float, or a NumPy array for a stack."""
    if isinstance(value, (float, int)):
        return float(value)
    if getattr(value, "ndim", 0) == 0:
        return float(value)
    return to_numpy(value)
