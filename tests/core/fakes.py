"""Tiny methods that show one side of the loop each."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from linalg_ml._core.solve import Method


@dataclass
class Calls:
    """How often each part of a method was called."""

    step: int = 0
    scale: int = 0
    cheap: int = 0
    exact: int = 0
    finish: int = 0
    refresh: int = 0


@dataclass
class State:
    """An iterate (here its own residual) and the residual the method believes in."""

    x: Any
    cheap: Any
    step: int = 0


@dataclass(frozen=True)
class Shrink(Method):
    """Multiply x by ``rate`` in every step; the residual is |x|.

    ``lie`` is what the cheap residual is times the true one; ``sequence``, if given, replaces
    the residuals.
    """

    rate: Any = 0.5
    start: Any = 1.0
    size: Any = 1.0  # the scale
    lie: Any = 1.0
    floor: Any = 0.0
    sequence: tuple | None = None
    calls: Calls = field(default_factory=Calls, compare=False, repr=False)

    def init(self, problem, arithmetic, x0):
        x = self.start if x0 is None else x0
        return State(x, x)

    def step(self, problem, state, arithmetic):
        self.calls.step += 1
        step = state.step + 1
        if self.sequence is not None:
            x = self.sequence[min(step, len(self.sequence) - 1)]
        else:
            x = np.maximum(state.x * self.rate, self.floor)
        return State(x, x, step)

    def scale(self, problem, arithmetic):
        self.calls.scale += 1
        return self.size

    def measure(self, problem, state, arithmetic, exact):
        if exact:
            self.calls.exact += 1
            return {"residual": np.abs(state.x)}
        self.calls.cheap += 1
        return {"residual": np.abs(state.cheap) * self.lie}

    def finish(self, problem, state, arithmetic):
        self.calls.finish += 1
        return np.asarray(state.x, float), {"steps_seen": state.step}


@dataclass(frozen=True)
class Compiled(Shrink):
    """A method whose kernel makes many steps in one call and stops at the target by itself."""

    check_every = 1000

    def advance(self, problem, state, arithmetic, steps, target):
        for made in range(1, steps + 1):
            state = self.step(problem, state, arithmetic)
            if target is not None and np.abs(state.x) * self.lie <= target:
                return state, made, True
        return state, steps, False
