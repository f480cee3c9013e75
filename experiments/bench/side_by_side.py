"""Time functions in turn, so that a machine that slows down slows all of them."""

import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the smallest of all rounds, and the median ratio."""

    name: str
    seconds: float
    ratio: float


def compare(functions, *, rounds=15, seconds=0.05, clock=time.thread_time):
    """Time each function in every round; ratios are to the first, round by round.

    Parameters
    ----------
    functions : dict of str to callable
        The first is the reference.
    rounds : int
        How often each gets its turn.
    seconds : float
        Length of a turn, from which the calls per turn are found.
    clock : callable
        The CPU time of this thread, unless another clock is given: `time.process_time` where a
        library works in threads of its own, `time.perf_counter` to see what threads gain.

    Returns
    -------
    list of Timing
    """
    calls = {name: _calls_for(function, seconds, clock) for name, function in functions.items()}
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(_time(function, calls[name], clock))
    reference = next(iter(times.values()))
    return [
        Timing(name, min(t), statistics.median(a / b for a, b in zip(t, reference, strict=True)))
        for name, t in times.items()
    ]


def _calls_for(function, seconds, clock):
    function()
    calls = 1
    while (spent := _time(function, calls, clock) * calls) < seconds / 4:
        calls *= 2
    return max(1, round(calls * seconds / spent))


def _time(function, calls, clock):
    start = clock()
    for _ in range(calls):
        function()
    return (clock() - start) / calls
