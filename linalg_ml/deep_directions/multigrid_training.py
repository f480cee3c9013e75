"""Training of the learned multigrid without derivatives."""

import json
import math
import os
from dataclasses import asdict, dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml.deep_directions.multigrid import (
    JACOBI,
    LearnedMultigrid,
    MultigridWeights,
)
from linalg_ml.deep_directions.obstacles import random_obstacles
from linalg_ml.deep_directions.solver import deep_conjugate_directions
from linalg_ml.deep_directions.stencil import GridPoisson

_SEARCHED = 40  # evaluations between two notes in the checkpoint
_FORMAT = 1
OBJECTIVES = ("steps", "contraction")
_STEPS = 6


@dataclass(frozen=True)
class MultigridTraining:
    """What `train_multigrid` found.

    Attributes
    ----------
    weights : MultigridWeights
        The best numbers seen.
    loss : float
        Their loss: exp of it is the mean factor by which a step shrinks the residual or error.
    losses : tuple of float
        The best loss after each evaluation.
    settings : dict
        The arguments that decide the outcome.
    """

    weights: MultigridWeights
    loss: float
    losses: tuple
    settings: dict


def contraction(operator, cycle, /, *, steps=5, skipped=3, rng=0):
    """Measure how much a multigrid cycle shrinks the error, iterated on its own.

    Parameters
    ----------
    operator : GridPoisson
    cycle : callable
        r -> u on arrays of shape (..., *grid), such as ``LearnedMultigrid().prepare(operator)``.
    steps, skipped : int
        Errors start from white noise; of ``steps`` steps the first ``skipped``, in which what is
        easy to remove goes, are not counted.
    rng : None, int or numpy.random.Generator
        Source of the noise.

    Returns
    -------
    float
        Mean over the counted steps of log(||e_new||_A / ||e||_A) for e_new = e - cycle(A e):
        negative where the iteration converges, -inf where nothing of the error is left. It
        tends to the log of the spectral radius.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.deep_directions import GridPoisson, LearnedMultigrid, contraction
    >>> a = GridPoisson(np.ones((64, 64), bool))
    >>> rates = [contraction(a, LearnedMultigrid(w).prepare(a)) for w in ("jacobi", "learned")]
    >>> [round(float(np.exp(rate)), 1) for rate in rates]
    [0.3, 0.1]
    """
    checks.instance(operator, GridPoisson, "operator")
    if not callable(cycle):
        raise TypeError(f"cycle must be callable, got {type(cycle).__name__}")
    skipped = checks.count(skipped, "skipped", minimum=0)
    steps = checks.count(steps, "steps", minimum=skipped + 1)
    rng = generator(rng)
    e = operator.restrict(rng.standard_normal(operator.grid))
    total = 0.0
    ae, energy, _ = operator.energy(e, e)
    for k in range(steps):
        e = e - cycle(ae)
        before = energy
        ae, energy, _ = operator.energy(e, e)
        if energy == 0:
            return -math.inf
        if k >= skipped:
            total += math.log(max(energy, 1e-300) / before) / 2
        scale = 1 / math.sqrt(energy) if energy > 0 else 1.0
        e, ae, energy = e * scale, ae * scale, energy * scale * scale
    return total / (steps - skipped)


def train_multigrid(
    dimensions,
    /,
    *,
    points=None,
    masks=8,
    evaluations=300,
    objective="steps",
    coarsening="fractions",
    start=None,
    rng=0,
    checkpoint=None,
    callback=None,
):
    """Train the numbers of a `LearnedMultigrid` by the Nelder-Mead method.

    Parameters
    ----------
    dimensions : 2 or 3
    points : int, optional
        Cells along each side of the grids trained on; 128 in 2D and 32 in 3D if None.
    masks : int
        Number of random grids, with Dirichlet and Neumann solids in turn.
    evaluations : int
        Number of times the loss is computed.
    objective : "steps" or "contraction"
        The mean over the grids of what a step of `deep_conjugate_directions` adds to the log of
        the residual, over six steps; or of the `contraction` of the cycle on its own.
    coarsening : "fractions" or "masks"
        See `LearnedMultigrid`.
    start : MultigridWeights, optional
        Where to begin; damped Jacobi and linear interpolation if None.
    rng : int
        Seed of the grids and of the noise.
    checkpoint : path, optional
        A JSON file in which the search is noted every 40 evaluations. Where it exists, the search
        goes on from it; the other arguments must be those it was begun with, but for
        ``evaluations``.
    callback : callable, optional
        Called with (evaluations made, best loss) now and then.

    Returns
    -------
    MultigridTraining

    Raises
    ------
    ValueError
        If an argument is out of range, or the checkpoint belongs to another training.

    Notes
    -----
    No derivatives are needed for 6 or 7 numbers: 300 evaluations take about half a minute on one
    core. The numbers found serve grids of any size, since they are the same on all levels. A cycle
    that contracts best on its own is not the one with which conjugate gradients need the fewest
    steps, since those forgive a few bad directions.

    References
    ----------
    A. Katrutsa, T. Daulbaev, I. Oseledets, "Deep multigrid: learning prolongation and restriction
    matrices", arXiv:1711.03825.

    Examples
    --------
    >>> from linalg_ml.deep_directions import train_multigrid
    >>> found = train_multigrid(2, points=16, masks=2, evaluations=60)
    >>> found.losses[-1] < found.losses[0]
    True
    """
    if dimensions not in (2, 3):
        raise ValueError(f"dimensions must be 2 or 3, got {dimensions!r}")
    if start is not None:
        checks.instance(start, MultigridWeights, "start")
        if start.dimensions != dimensions:
            raise ValueError(f"start must hold numbers for {dimensions} dimensions, got {start}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    points = {2: 128, 3: 32}[dimensions] if points is None else checks.count(points, "points")
    settings = {
        "dimensions": dimensions,
        "points": points,
        "masks": checks.count(masks, "masks"),
        "objective": checks.choice(objective, OBJECTIVES, "objective"),
        "coarsening": coarsening,
        "start": asdict(start or JACOBI[dimensions]),
        "seed": checks.count(rng, "rng", minimum=0),
    }
    settings = json.loads(json.dumps(settings))
    search = _Search(settings, checks.count(evaluations, "evaluations"), checkpoint, callback)
    return search.run()


def _noise(grid, rng):
    return rng.standard_normal(grid)


def _sources(grid, rng):
    """Return a few smooth bumps of either sign."""
    cells = np.indices(grid) / np.reshape(grid, (-1,) + (1,) * len(grid))
    total = np.zeros(grid)
    for sign in (1, -1, 1, -1):
        centre, width = rng.uniform(0.1, 0.9, len(grid)), rng.uniform(0.03, 0.1)
        distance = sum((x - c) ** 2 for x, c in zip(cells, centre, strict=True))
        total += sign * np.exp(-distance / (2 * width**2))
    return total


class _Search:
    """A Nelder-Mead search that can be interrupted: what was computed is not computed again."""

    def __init__(self, settings, evaluations, checkpoint, callback):
        self.settings, self.evaluations = settings, evaluations
        self.checkpoint, self.callback = checkpoint, callback
        rng = np.random.default_rng(settings["seed"])
        grid = (settings["points"],) * settings["dimensions"]
        self.operators = [
            GridPoisson(random_obstacles(grid, rng=rng), solids=("dirichlet", "neumann")[k % 2])
            for k in range(settings["masks"])
        ]
        self.right_hand_sides = [
            a.restrict(_noise(a.grid, rng) if k % 4 < 2 else _sources(a.grid, rng))
            for k, a in enumerate(self.operators)
        ]
        start = settings["start"]
        first = [*start["stencil"], *start["interpolation"], start["correction"]]
        self.simplex = np.array([first] * (len(first) + 1))
        self.simplex[range(1, len(first) + 1), range(len(first))] += 0.1
        self.seen, self.losses = {}, []
        if checkpoint is not None and os.path.exists(checkpoint):
            self._resume()

    def run(self):
        from scipy.optimize import minimize

        made = -1
        while made < len(self.losses) < self.evaluations:  # until nothing new is looked at
            made = len(self.losses)
            budget = min(_SEARCHED, self.evaluations - made)
            known = len(self.simplex)
            result = minimize(
                self.loss,
                self.simplex[0],
                method="Nelder-Mead",
                options={
                    "initial_simplex": self.simplex,
                    "maxfev": budget + known,  # the corners are known already
                    "xatol": 0,
                    "fatol": 0,
                },
            )
            self.simplex = result.final_simplex[0]
            self._note()
        best = min(self.seen, key=self.seen.get)
        return MultigridTraining(
            self.weights(best), self.seen[best], tuple(self.losses), self.settings
        )

    def weights(self, numbers):
        size = self.settings["dimensions"] + 1
        return MultigridWeights(
            tuple(map(float, numbers[:size])),
            tuple(map(float, numbers[size : size + 2])),
            float(numbers[-1]),
        )

    def loss(self, numbers):
        key = tuple(map(float, numbers))
        if key not in self.seen:
            model = LearnedMultigrid(self.weights(key), self.settings["coarsening"], "fp64")
            rates = [self.rate(k, model) for k in range(len(self.operators))]
            self.seen[key] = float(np.mean(rates))
            self.losses.append(min(self.seen.values()))
        return self.seen[key]

    def rate(self, k, model):
        """Return what a step on grid k adds to the log of the error or the residual."""
        a = self.operators[k]
        cycle = model.prepare(a)
        if self.settings["objective"] == "contraction":
            return contraction(a, cycle, rng=np.random.default_rng([self.settings["seed"], k]))
        b = self.right_hand_sides[k]
        made = deep_conjugate_directions(a, b, model=cycle, steps=_STEPS)
        left = np.linalg.norm(a.restrict(b) - a.apply(made.x)) / np.linalg.norm(b)
        return math.log(left) / _STEPS if 0 < left < np.inf else 0.0

    def _note(self):
        if self.callback is not None:
            self.callback(len(self.losses), self.losses[-1])
        if self.checkpoint is None:
            return
        corners = [tuple(map(float, corner)) for corner in self.simplex]
        content = {
            "format": _FORMAT,
            "settings": self.settings,
            "simplex": corners,
            "values": [self.seen[corner] for corner in corners],
            "losses": self.losses,
        }
        beside = f"{self.checkpoint}.new"
        with open(beside, "w") as file:
            json.dump(content, file)
        os.replace(beside, self.checkpoint)

    def _resume(self):
        try:
            with open(self.checkpoint) as file:
                content = json.load(file)
            known = content["format"] == _FORMAT
            settings, losses = content["settings"], list(content["losses"])
            simplex, values = np.array(content["simplex"]), content["values"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"checkpoint {self.checkpoint} cannot be read: {error}") from error
        if not known or settings != self.settings:
            differing = [
                name for name in self.settings if settings.get(name) != self.settings[name]
            ]
            raise ValueError(
                f"checkpoint {self.checkpoint} belongs to another training: it differs in "
                f"{', '.join(differing) or 'its format'}"
            )
        self.simplex, self.losses = simplex, losses
        self.seen = dict(zip(map(tuple, simplex.tolist()), values, strict=True))
