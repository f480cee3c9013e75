"""What a tuner is: ask for a parameter, tell what it cost; a state that can be kept."""

from collections.abc import Mapping
from copy import deepcopy
from numbers import Number
from reprlib import repr as abridged

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator


class Tuner:
    """Choose a parameter before each solve, and learn from what it cost.

    Derived classes offer ``_choose(context) -> index of an arm`` and ``_learn(index, cost)``, and
    name in ``_state`` the attributes that change.

    Parameters
    ----------
    arms : sequence
        The parameters to choose from, for instance values of omega; any objects.
    rng : None, int or numpy.random.Generator
    least_cost : float
        What every solve costs at least. It is subtracted from each cost, and a smaller cost
        counts as this one.
    """

    _state = ()

    def __init__(self, arms, *, rng=None, least_cost=0.0):
        self.arms = arms_argument(arms)
        self.rng = generator(rng)
        self.least_cost = checks.number(least_cost, "least_cost", minimum=0)
        self.rounds = 0
        self._asked = None

    def ask(self, context=None):
        """Return the arm to try now.

        Parameters
        ----------
        context : float, optional
            What is known about the system before it is solved.

        Raises
        ------
        RuntimeError
            If the arm asked for last was neither told about nor cancelled.
        """
        if self._asked is not None:
            raise RuntimeError("ask() must be followed by tell(cost) or cancel() before the next")
        self._asked = self._choose(context)
        return self.arms[self._asked]

    def tell(self, cost):
        """Say what the arm asked for last has cost.

        Parameters
        ----------
        cost : float
            At least 0 and finite: iterations, seconds, anything to be made small in sum.

        Raises
        ------
        RuntimeError
            If no arm was asked for.
        ValueError, TypeError
            If ``cost`` is no such number; the question stays open.
        """
        if self._asked is None:
            raise RuntimeError("tell(cost) must follow ask()")
        if type(cost) is not float or not 0 <= cost < np.inf:
            cost = checks.number(cost, "cost", minimum=0, below=np.inf)
        self.rounds += 1
        self._learn(self._asked, cost)
        self._asked = None

    def cancel(self):
        """Forget the arm asked for last, for instance because its solve was not made."""
        self._asked = None

    def state_dict(self):
        """Return what was learned, and the random generator's state: numbers and lists only.

        A tuner made with the same arguments continues from it bit for bit after
        ``load_state_dict``. The mapping survives JSON. `pickle` and `copy.deepcopy` work on the
        tuner itself too.
        """
        state = {name: _plain(getattr(self, name)) for name in self._names()}
        return {
            "tuner": type(self).__name__,
            "arms": len(self.arms),
            "rng": _plain(self.rng.bit_generator.state),
            **state,
        }

    def load_state_dict(self, state):
        """Continue from what `state_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If it is the state of another kind of tuner, of another number of arms, of other
            options, or incomplete. Nothing is changed then.
        """
        for tuner, attributes in self._read(state):
            for name, value in attributes.items():
                setattr(tuner, name, value)
        self.rng.bit_generator.state = state["rng"]

    def _read(self, state):
        """Return pairs (tuner, new attributes), checked, of this tuner and those it is made of."""
        if not isinstance(state, Mapping):
            raise TypeError(
                f"state must be a mapping that state_dict() returned, got {type(state).__name__}"
            )
        for name, expected in (("tuner", type(self).__name__), ("arms", len(self.arms))):
            if state.get(name) != expected:
                raise ValueError(
                    f"state must be that of a tuner with {name} {expected!r}, "
                    f"got {abridged(state.get(name))}"
                )
        missing = [name for name in self.state_dict() if name not in state]
        if missing:
            raise ValueError(f"state must have the keys {missing}, got {list(state)}")
        bits = deepcopy(self.rng.bit_generator)
        try:
            bits.state = state["rng"]
        except (TypeError, ValueError, LookupError, ArithmeticError):
            raise ValueError(
                f"state must hold the state of a {type(bits).__name__} as rng, "
                f"got {abridged(state['rng'])}"
            ) from None
        return [(self, {name: self._fitting(name, state[name]) for name in self._names()})]

    def _fitting(self, name, new):
        """Return a copy of ``new`` in the form of the attribute it is to replace."""
        old = getattr(self, name)
        if isinstance(old, np.ndarray):
            try:
                new = np.array(new, dtype=old.dtype)
            except (TypeError, ValueError):
                raise ValueError(
                    f"state must hold numbers as {name}, got {abridged(new)}"
                ) from None
            if new.shape != old.shape:
                raise ValueError(
                    f"state must be that of a {type(self).__name__} with the same options: {name} "
                    f"must have shape {old.shape}, got shape {new.shape}"
                )
            return new
        kind = next((kind for kind in (Number, list) if isinstance(old, kind)), object)
        if new is not None and not isinstance(new, kind):
            raise ValueError(
                f"state must hold a {kind.__name__.lower()} as {name}, got {abridged(new)}"
            )
        return deepcopy(new)

    def _names(self):
        return ("rounds", "_asked", *self._state)

    def _choose(self, context):
        raise NotImplementedError

    def _learn(self, index, cost):
        raise NotImplementedError

    def _loss(self, cost):
        return max(cost - self.least_cost, 0.0)

    def __repr__(self):
        first, last = self.arms[0], self.arms[-1]
        arms = f"{len(self.arms)} arms from {first!r} to {last!r}"
        return f"<{type(self).__name__} over {arms} after {self.rounds} rounds>"


def arms_argument(arms):
    """Return the arms as a tuple of Python objects, numbers as floats."""
    try:
        arms = tuple(arms)
    except TypeError:
        raise TypeError(f"arms must be a sequence, got {type(arms).__name__}") from None
    if not arms:
        raise ValueError("arms must hold at least one arm, got none")
    return tuple(float(arm) if isinstance(arm, np.floating) else arm for arm in arms)


def context_range_argument(context_range):
    """Return the ends (a, b) of the interval of contexts, a < b."""
    try:
        low, high = context_range
    except (TypeError, ValueError):
        raise ValueError(
            f"context_range must be two numbers (lowest, highest), got {context_range!r}"
        ) from None
    low = checks.number(low, "context_range[0]")
    return low, checks.number(high, "context_range[1]", above=low)


def context_argument(context, context_range):
    """Return the context as a number, moved to the nearer end of the range where outside."""
    if context is None:
        raise ValueError("context must be a number for this tuner, got None")
    low, high = context_range
    return min(max(checks.number(context, "context"), low), high)


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value
