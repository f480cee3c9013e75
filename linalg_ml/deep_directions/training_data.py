"""What a network is trained on: operators, and unit right-hand sides for each."""

import numpy as np

from linalg_ml.deep_directions.obstacles import random_obstacles
from linalg_ml.deep_directions.ritz import ritz_mixtures, sine_mixtures
from linalg_ml.deep_directions.stencil import GridPoisson

HELD_BACK = 20  # one sample in so many is for validation


class Data:
    """Right-hand sides on the empty box, and on boxes with random solids."""

    def __init__(self, dimensions, settings):
        self.size = settings["batch"]
        grid = (settings["grid"],) * dimensions
        rng = np.random.default_rng([settings["seed"], 2])
        self.operators = [GridPoisson(np.ones(grid, bool))]
        for k in range(settings["geometries"]):
            solids = ("dirichlet", "neumann")[k % 2]
            self.operators.append(GridPoisson(random_obstacles(grid, rng=rng), solids=solids))
        each = -(-settings["samples"] // len(self.operators))
        held = max(1, each // HELD_BACK)
        made = [self._draw(a, each, settings["data"], rng) for a in self.operators]
        self._training = [samples[held:] for samples in made]
        self._kept = [samples[:held] for samples in made]
        self.held = held * len(made)

    @staticmethod
    def _draw(operator, count, kind, rng):
        if kind == "ritz":
            return ritz_mixtures(operator, count, rng=rng)
        samples = operator.restrict(sine_mixtures(operator.grid, count, rng=rng))
        axes = tuple(range(1, samples.ndim))
        return samples / np.sqrt(np.sum(samples * samples, axis=axes, keepdims=True))

    def batch(self, rng):
        """Return one of the operators and a batch for it, as a PyTorch tensor."""
        import torch

        which = rng.integers(len(self.operators))
        samples = self._training[which]
        chosen = rng.choice(len(samples), min(self.size, len(samples)), replace=False)
        return self.operators[which], torch.from_numpy(samples[chosen])

    def kept(self):
        """Yield the operators and their validation samples, in batches."""
        import torch

        for operator, samples in zip(self.operators, self._kept, strict=True):
            for i in range(0, len(samples), self.size):
                yield operator, torch.from_numpy(samples[i : i + self.size])
