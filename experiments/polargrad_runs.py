"""Training runs of the PolarGrad paper: optimizers by name, and what is recorded."""

import numpy as np

from experiments.polargrad_problems import PROBLEMS, LowRankCompletion
from linalg_ml import optim

# With these powers of the factor by which a problem is smaller, a rate means the same: the
# Lipschitz constant falls with the square of it and the rank in proportion; entries of X stay as
# large, its singular values do not.
_POWERS = {"polargrad": 3.0, "muon": -0.5, "adam": 0.0, "newton": 0.0, "alternating": 0.0}


class StepDecay:
    """A learning rate that is multiplied by ``factor`` after every ``every`` updates."""

    def __init__(self, rate, every, factor):
        self.rate, self.every, self.factor = rate, every, factor

    def __call__(self, count):
        """Return the learning rate after ``count`` updates."""
        return self.rate * self.factor ** (int(count) // self.every)


def transform(family, rate, options, problem):
    """Return the Transform of a run."""
    if family == "newton":
        return optim.stateless(
            lambda grads, params: optim.tree_map(lambda d: -rate * d, problem.newton(grads))
        )
    make = {"polargrad": optim.polargrad, "muon": optim.muon, "adam": optim.adam}[family]
    return make(lr=rate, **options)


def train(cell, runs, context):
    """Run one method and yield what is recorded, and one record of the end."""
    family, rate, decay, options = runs[cell["method"]]
    shrink, steps, every = cell["shrink"], cell["steps"], cell["every"]
    problem = PROBLEMS[cell["problem"]](shrink, context.rng("polargrad", cell["problem"], shrink))
    rate = rate * shrink ** _POWERS[family]
    scheduled = StepDecay(rate, 25, decay) if decay else rate
    params, chosen = problem.start, None
    if family != "alternating":
        chosen = transform(family, scheduled, options, problem)
        state = chosen.init(params)
    start = None
    with np.errstate(all="ignore"):
        for step in range(steps + 1):
            if step % every == 0 or step == steps:
                found = _measures(problem, params, start)
                if found is None:
                    break
                start = found["objective"] if start is None else start
                yield {"kind": "path", "step": step, "rate": rate, **found}
            if step == steps:
                break
            if chosen is None:
                params = _alternate(problem, params, rate)
                continue
            grads = problem.gradients(params, step)
            updates, state = chosen.update(grads, state, params)
            params = optim.apply_updates(params, updates)
    diverged = found is None
    yield {
        "kind": "end",
        "step": step,
        "diverged": diverged,
        "objective": None if diverged else found["objective"],
        "relative": None if diverged else found["objective"] / start,
    }


def _measures(problem, params, start):
    """Return the measures, or None where the run has diverged."""
    if not all(np.all(np.isfinite(p)) and abs(p).max() < 1e50 for p in params.values()):
        return None
    found = problem.measures(params)
    limit = np.inf if start is None else 1e3 * start
    return found if np.isfinite(found["objective"]) and found["objective"] < limit else None


def _alternate(problem, params, rate):
    """Make a gradient step in X, and one in Y at the new X."""
    assert isinstance(problem, LowRankCompletion)
    params = {**params, "x": params["x"] - rate * problem.gradients(params, 0)["x"]}
    return {**params, "y": params["y"] - rate * problem.gradients(params, 0)["y"]}
