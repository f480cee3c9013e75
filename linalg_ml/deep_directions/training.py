"""Training of the networks: the loss of one step, Adam, and checkpoints to go on from."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.deep_directions.architecture import ARCHITECTURES, Architecture
from linalg_ml.deep_directions.network import Network, forward
from linalg_ml.deep_directions.provenance import provenance
from linalg_ml.deep_directions.training_data import Data
from linalg_ml.deep_directions.weights_file import read, write

CHECKPOINT = "linalg_ml.deep_directions.checkpoint"
_SECONDS_BETWEEN_CHECKPOINTS = 20.0
_KEPT = 200  # points of the loss history in the provenance

# What the command line trains with, by architecture and dimensions.
_PAPER = {"data": "ritz", "loss": "residual"}
_LINEAR = {"data": "sine", "loss": "energy", "geometries": 31, "rollout": 6, "lr": 2e-3}
RECIPES = {
    ("paper-64", 2): {**_PAPER, "grid": 32, "steps": 640},
    ("paper-128", 2): {**_PAPER, "grid": 32, "steps": 640},
    ("linear", 2): {**_LINEAR, "grid": 32, "steps": 2000},
    ("paper-64", 3): {**_PAPER, "grid": 16, "steps": 640, "samples": 4000, "batch": 8},
    ("paper-128", 3): {**_PAPER, "grid": 16, "steps": 640, "samples": 4000, "batch": 8},
    ("linear", 3): {**_LINEAR, "grid": 32, "steps": 500, "samples": 1600, "batch": 4},
}


def step_of(b, q, aq):
    """Return what one step of deep conjugate directions leaves of residuals b (batch, *grid).

    b - s A q with s = <q, b> / <q, A q>, the step to the minimum of the A-norm of the error.
    """
    xp, axes = namespace(b), tuple(range(1, len(b.shape)))
    along = xp.sum(q * b, axis=axes, keepdims=True)
    energy = xp.sum(q * aq, axis=axes, keepdims=True)
    safe = xp.where(energy > 0, energy, xp.ones_like(energy))
    return b - along / safe * aq


def one_step_loss(b, q, aq):
    """Compute the loss of the paper: the mean square residual after one step.

    Parameters
    ----------
    b : array of shape (batch, *grid)
        Residuals of unit norm.
    q : array of shape (batch, *grid)
        Directions for them.
    aq : array of shape (batch, *grid)
        A times the directions.

    Returns
    -------
    0-d array

    Notes
    -----
    (1 / batch) sum_i ||b_i - s_i A q_i||^2 with s_i = <q_i, b_i> / <q_i, A q_i>. Its root is the
    relative residual after one step of `deep_conjugate_directions` from zero.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.deep_directions import GridPoisson, one_step_loss
    >>> a = GridPoisson(np.ones((4, 4), bool))
    >>> b = np.ones((1, 4, 4)) / 4
    >>> float(one_step_loss(b, b, a.apply(b)))
    0.5
    """
    left = step_of(b, q, aq)
    return namespace(b).sum(left * left) / left.shape[0]


@dataclass(frozen=True)
class TrainingProgress:
    """What a callback of `train` sees; ``loss`` is that of the latest batch."""

    step: int
    steps: int
    loss: float
    validation: float
    seconds_left: float


def train(
    architecture="paper-64",
    /,
    *,
    dimensions=2,
    grid=32,
    data="ritz",
    geometries=0,
    loss="residual",
    rollout=0,
    samples=8000,
    steps=640,
    batch=16,
    lr=1e-3,
    clip=1.0,
    rng=0,
    checkpoint=None,
    callback=None,
):
    """Train a network to give search directions, with PyTorch.

    Parameters
    ----------
    architecture : str or Architecture
        "paper-64" and "paper-128" are those of the paper, "linear" is linear in the residual,
        has four coarse grids and knows the solids.
    dimensions : 2 or 3
        Of the grid, where ``architecture`` is a name.
    grid : int
        Cells along each axis.
    data : "ritz" or "sine"
        `ritz_mixtures` or `sine_mixtures`.
    geometries : int
        Draws of `random_obstacles` to train on, half with Dirichlet and half with Neumann solids,
        besides the empty box that is all the paper trains on.
    loss : "residual" or "energy"
        `one_step_loss`, or the fraction of the squared energy norm of the error, e^T A e, that
        one step leaves. For this the samples are errors.
    rollout : int
        Up to so many steps are made from a sample before the one whose loss counts, so that
        training sees what a solve sees. Meant for the energy loss.
    samples : int
        Right-hand sides, 1 in 20 of them kept for validation.
    steps, batch : int
        Steps of Adam, and right-hand sides for each.
    lr : float
        Learning rate; it falls to zero along a cosine.
    clip : float
        Bound on the norm of a gradient.
    rng : int
        Seed of weights, data and order.
    checkpoint : str or path, optional
        File to keep the state in; if it exists, training goes on from it.
    callback : callable, optional
        Called with a `TrainingProgress` after each step; returning True stops.

    Returns
    -------
    Network
        ``provenance`` holds all the arguments, the loss on the samples kept for validation, and
        the history of the losses.

    Raises
    ------
    ImportError
        If PyTorch is not installed; only training needs it.
    TypeError, ValueError
        If an argument is out of range, or the checkpoint is damaged or of another training.

    Notes
    -----
    A random mixture of all modes says little about the few that a network treats worst: they
    are a small part of the loss, and all that is left after some steps. ``rollout`` with the
    energy loss, which a step never makes larger than 1, trains on them. That is what "linear"
    is for; ``python -m linalg_ml.deep_directions train linear`` does it.

    The same arguments give the same network on the same machine, however often training was
    interrupted. The paper trains with lr = 1e-4 for days; these defaults take a minute or two.

    References
    ----------
    A. Kaneda, O. Akar, J. Chen, V. Kala, D. Hyde, J. Teran, "A Deep Conjugate Direction Method
    for Iteratively Solving Linear Systems", ICML 2023, arXiv:2205.10763.

    D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980.
    """
    net = _architecture(architecture, dimensions)
    settings = {
        "grid": checks.count(grid, "grid", minimum=2),
        "data": checks.choice(data, ("ritz", "sine"), "data"),
        "geometries": checks.count(geometries, "geometries", minimum=0),
        "loss": checks.choice(loss, ("residual", "energy"), "loss"),
        "rollout": checks.count(rollout, "rollout", minimum=0),
        "samples": checks.count(samples, "samples", minimum=20),
        "steps": checks.count(steps, "steps", minimum=1),
        "batch": checks.count(batch, "batch"),
        "lr": checks.number(lr, "lr", above=0),
        "clip": checks.number(clip, "clip", above=0),
        "seed": checks.count(rng, "rng", minimum=0),
    }
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    trainer = Trainer(net, settings)
    if checkpoint is not None and Path(checkpoint).exists():
        trainer.resume(checkpoint)
    try:
        trainer.run(callback, checkpoint)
    finally:
        if checkpoint is not None:
            trainer.keep(checkpoint)
    return trainer.network()


def _architecture(given, dimensions):
    if isinstance(given, str):
        checks.choice(given, tuple(ARCHITECTURES), "architecture")
        return Architecture(**{**asdict(ARCHITECTURES[given]), "dimensions": dimensions})
    return checks.instance(given, Architecture, "architecture")


class Trainer:
    """The weights, the state of Adam and the history of a training."""

    def __init__(self, architecture, settings):
        try:
            import torch
        except ModuleNotFoundError as error:
            raise ImportError(
                "training needs PyTorch: pip install 'linalg_ml[torch]'; a trained network does not"
            ) from error
        self.torch, self.architecture, self.settings = torch, architecture, settings
        start = architecture.start(np.random.default_rng([settings["seed"], 0]))
        self.weights = {name: torch.tensor(v, requires_grad=True) for name, v in start.items()}
        self.adam = torch.optim.Adam(self.weights.values(), lr=settings["lr"])
        for w in self.weights.values():  # so that a checkpoint can be written before any step
            zero = {"step": torch.tensor(0.0)}
            moments = {k: torch.zeros_like(w) for k in ("exp_avg", "exp_avg_sq")}
            self.adam.state[w] = {**zero, **moments}
        self.arithmetic = Arithmetic("fp32", next(iter(self.weights.values())))
        self.data = Data(architecture.dimensions, settings)
        self.losses, self.validations, self.seconds = [], [], 0.0

    @property
    def step(self):
        """Steps made."""
        return len(self.losses)

    # Steps ---------------------------------------------------------------------------------------

    def run(self, callback, checkpoint):
        """Step to the end, or until the callback says so."""
        steps, kept = self.settings["steps"], time.monotonic()
        every = max(1, steps // 20)
        first = self.step
        start = time.monotonic()
        before = self.seconds
        while self.step < steps:
            self.losses.append(self.descend())
            if self.step % every == 0 or self.step == steps:
                self.validations.append((self.step, self.validate()))
            now = time.monotonic()
            self.seconds = before + now - start
            if checkpoint is not None and now - kept > _SECONDS_BETWEEN_CHECKPOINTS:
                self.keep(checkpoint)
                kept = now
            if callback is not None:
                left = (now - start) / (self.step - first) * (steps - self.step)
                validation = self.validations[-1][1] if self.validations else math.nan
                told = TrainingProgress(self.step, steps, self.losses[-1], validation, left)
                if callback(told) is True:
                    return

    def descend(self):
        """Make one step of Adam; return the loss of the batch."""
        torch, settings = self.torch, self.settings
        angle = math.pi * self.step / settings["steps"]
        for group in self.adam.param_groups:
            group["lr"] = settings["lr"] * 0.5 * (1 + math.cos(angle))
        rng = np.random.default_rng([settings["seed"], 1, self.step])
        operator, given = self.data.batch(rng)
        rollout = int(rng.integers(settings["rollout"] + 1))
        loss = self.losses_of(operator, given, rollout).mean()
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), settings["clip"])
        self.adam.step()
        return float(loss.detach())

    def losses_of(self, operator, given, rollout=0):
        """Return the loss of each sample after ``rollout`` steps that do not count.

        For the energy loss the samples are errors e, and r = A e.
        """
        torch, energy = self.torch, self.settings["loss"] == "energy"
        for k in range(rollout + 1):
            with torch.set_grad_enabled(k == rollout and torch.is_grad_enabled()):
                r = operator.apply(given) if energy else given
                size = _norm(r, torch)
                q, aq = self.direction(operator, r / size)
                if not energy:
                    left = step_of(r, q, aq)
                    given = left / _norm(left, torch)
                    continue
                along, length = _dot(q, r / size), _dot(q, aq)
                left = 1 - along**2 / (length * _dot(given, r) / size**2).clamp(min=1e-30)
                given = given - along * size / length.clamp(min=1e-30) * q
                given = given / _norm(given, torch)
        return left if energy else _dot(left, left)

    def direction(self, operator, r):
        """Return q, zero in solids, and A q for residuals r of unit norm."""
        d = self.architecture.dimensions
        mask, diagonal, *_ = operator.coefficients(r)
        geometry = (mask, diagonal / (2.0 * d)) if self.architecture.geometry else None
        q = mask * forward(self.architecture, self.weights, r, self.arithmetic, geometry)
        return q, operator.apply(q)

    def validate(self):
        """Return the loss on the samples kept back."""
        with self.torch.no_grad():
            parts = [self.losses_of(operator, b).sum() for operator, b in self.data.kept()]
        return float(sum(parts)) / self.data.held

    # Files ---------------------------------------------------------------------------------------

    def network(self):
        """Return the network as it is now."""
        weights = {name: w.detach().numpy().copy() for name, w in self.weights.items()}
        every = -(-len(self.losses) // _KEPT) or 1
        blocks = [self.losses[i : i + every] for i in range(0, len(self.losses), every)]
        made = {
            **self.settings,
            "loss": self.settings["loss"],
            "validation": self.validations[-1][1] if self.validations else None,
            "steps_made": self.step,
            "training_seconds": round(self.seconds, 1),
            "loss_every": every,
            "losses": [round(sum(block) / len(block), 6) for block in blocks],
            "validations": [[step, round(loss, 6)] for step, loss in self.validations],
            **provenance(torch=self.torch.__version__),
        }
        return Network(self.architecture, weights, provenance=made)

    def keep(self, path):
        """Write everything needed to go on."""
        header = {
            "architecture": asdict(self.architecture),
            "settings": self.settings,
            "losses": self.losses,
            "validations": self.validations,
            "seconds": self.seconds,
        }
        arrays = {}
        for name, w in self.weights.items():
            state = self.adam.state[w]
            arrays[f"weights/{name}"] = w.detach().numpy()
            arrays[f"mean/{name}"] = state["exp_avg"].numpy()
            arrays[f"square/{name}"] = state["exp_avg_sq"].numpy()
        write(path, CHECKPOINT, header, arrays)

    def resume(self, path):
        """Go on from a checkpoint of the same training."""
        torch = self.torch
        header, arrays = read(path, CHECKPOINT)
        mine = {"architecture": asdict(self.architecture), "settings": self.settings}
        for part, values in mine.items():
            other = header[part]
            odd = [key for key in values if values[key] != other.get(key)]
            if odd:
                raise ValueError(
                    f"checkpoint {path} is of another training: {odd[0]} is "
                    f"{other.get(odd[0])!r} there and {values[odd[0]]!r} here"
                )
        self.losses, self.seconds = header["losses"], header["seconds"]
        self.validations = [tuple(pair) for pair in header["validations"]]
        for name, w in self.weights.items():
            with torch.no_grad():
                w.copy_(torch.from_numpy(arrays[f"weights/{name}"]))
            self.adam.state[w] = {
                "step": torch.tensor(float(self.step)),
                "exp_avg": torch.from_numpy(arrays[f"mean/{name}"]),
                "exp_avg_sq": torch.from_numpy(arrays[f"square/{name}"]),
            }


def _dot(x, y):
    """Return the inner product for each sample, in the shape of one cell."""
    return (x * y).sum(tuple(range(1, x.ndim)), keepdim=True)


def _norm(x, torch):
    return torch.sqrt(_dot(x, x)).clamp(min=1e-30)


def draw_losses(network, path):
    """Draw the history of a training into a file, with matplotlib."""
    from matplotlib.figure import Figure

    made = network.provenance
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    steps = [(k + 0.5) * made["loss_every"] for k in range(len(made["losses"]))]
    axes.semilogy(steps, made["losses"], color="#56B4E9", linewidth=1, label="training batches")
    axes.semilogy(*zip(*made["validations"], strict=True), "o-", color="#0072B2", markersize=3,
                  label="kept for validation")  # fmt: skip
    axes.set(xlabel="steps of Adam", ylabel=f"{made['loss']} loss")
    axes.legend(frameon=False)
    figure.savefig(path)
