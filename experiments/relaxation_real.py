"""Sequences of systems from real data: a lake under measured weather, labels of digits."""

import csv

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from experiments.relaxation_bandits import play
from experiments.study import Study
from linalg_ml.problems import delsq, numgrid
from linalg_ml.relaxation import (
    ChebCB,
    ContextBins,
    TsallisINF,
    UnimodalThompson,
    optimal_omega,
    prepare,
    sor,
)

WEATHER, DIGITS = "experiments/data/seattle_weather.csv", "experiments/data/digits.npz"
RTOL, ARMS = 1e-6, np.linspace(1, 1.95, 20)
NEIGHBOURS = 10


def cells(parameters):
    """The lake and the digits."""
    for sequence in ("lake", "digits"):
        yield {"sequence": sequence, "seeds": parameters["seeds"], **parameters[sequence]}


def compute(cell, context):
    """Tabulate the sweeps of every arm for every system, then let the tuners play."""
    rng = context.rng("real", cell["sequence"])
    systems = lake(context.root / WEATHER, cell["size"], cell["length"])
    if cell["sequence"] == "digits":
        systems = digits(context.root / DIGITS, cell["size"], cell["length"], rng)
    rows, contexts, known, adaptive, right = [], [], [], [], []
    for matrix, b, x0, value, check in systems:
        options = {"x0": x0, "rtol": RTOL}
        rows.append([sor(matrix, b, omega=omega, **options).nit for omega in ARMS])
        known.append(sor(matrix, b, omega=optimal_omega(matrix), **options).nit)
        adaptive.append(sor(matrix, b, omega="adaptive", **options).nit)
        contexts.append(value)
        if check is not None:
            right.append(check())
    table, contexts = np.array(rows), np.array(contexts)
    best = int(table.sum(axis=0).argmin())
    costs = {
        "omega-1": table[:, 0],
        "best-fixed": table[:, best],
        "young": np.array(known),
        "adaptive": np.array(adaptive),
        "grid-minimum": table.min(axis=1),
    }
    extra = {"best_omega": ARMS[best], "accuracy": np.mean(right) if right else None}
    for name, values in costs.items():
        yield from _curve(name, 0, values, contexts, extra)
    interval = contexts.min(), contexts.max()
    for seed in range(cell["seeds"]):
        for name, tuner in _tuners(interval, 100 * context.seed + seed).items():
            yield from _curve(name, seed, play(tuner, table, contexts), contexts, extra)


def _tuners(interval, seed):
    arms, plain = range(ARMS.size), {"rng": seed, "least_cost": 1}
    bins = {"context_range": interval, "bins": 4}
    return {
        "tsallis": TsallisINF(arms, **plain),
        "thompson": UnimodalThompson(arms, rng=seed),
        "thompson-bins": ContextBins(UnimodalThompson(arms, rng=seed), **bins),
        "chebyshev": ChebCB(arms, context_range=interval, **plain),
    }


def _curve(name, seed, costs, contexts, extra):
    """Yield the mean number of sweeps along the sequence."""
    sums = costs.cumsum(dtype=float)
    for step in np.unique(np.geomspace(5, costs.size, 30).round().astype(int)):
        yield {
            "policy": name,
            "seed": seed,
            "step": step,
            "mean": sums[step - 1] / step,
            "context": contexts[step - 1],
            "last": step == costs.size,
            **extra,
        }


# A lake under the weather ------------------------------------------------------------------------


def lake(path, side, days):
    """Yield one system a day: (prepared matrix, b, x0, wind, None).

    The temperature u of a square lake follows u_t = kappa Laplace(u) + h (air - u), with the
    mixing kappa = 0.003 + 0.001 wind^2 and the exchange with the air h = 0.1 + 0.05 wind, wind
    in m/s, per day and in units of the side; a model of our own. The shore keeps the mean
    temperature of all days, from which temperatures are counted. The Euler step of a day,
    (1 + h) u - kappa Laplace(u) = u_before + h air, is divided by kappa times the square of the
    number of cells.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    air = np.array([(float(row["warmest"]) + float(row["coldest"])) / 2 for row in rows])
    air -= air.mean()
    laplacian, u = prepare(delsq(numgrid("S", side + 1))), np.zeros((side - 1) ** 2)
    for day in range(min(days, len(rows))):
        wind = float(rows[day]["wind"])
        exchange, scale = 0.1 + 0.05 * wind, (0.003 + 0.001 * wind**2) * side**2
        matrix = laplacian.shifted((1 + exchange) / scale)
        b = (u + exchange * air[day]) / scale
        yield matrix, b, u, wind, None
        u = sor(matrix, b, omega="young", x0=u, rtol=RTOL).x


# Labels of handwritten digits --------------------------------------------------------------------


def digits(path, count, length, rng):
    """Yield systems of label propagation: (prepared matrix, b, None, log of labels, check).

    A graph joins each digit to its ten nearest ones, with Gaussian weights. Each system has
    another random set of digits with labels; the scores of the others for one of the ten classes
    are weighted means of their neighbours' (X. Zhu, Z. Ghahramani, J. Lafferty, ICML 2003).
    ``check`` computes which part of the labels the scores of all classes get right.
    """
    with np.load(path) as data:
        images, labels = data["images"].astype(float), data["labels"]
    chosen = rng.permutation(len(images))[:count]
    images, labels = images[chosen], labels[chosen]
    graph = neighbours(images)
    degrees = graph.sum(axis=1)
    for t in range(length):
        known = round(np.exp(rng.uniform(np.log(20), np.log(count / 4))))
        order = rng.permutation(count)
        seen, rest = np.sort(order[:known]), np.sort(order[known:])
        a = diags_array(degrees[rest]) - graph[rest][:, rest]
        matrix, weights = prepare(csr_array(a)), graph[rest][:, seen]
        sides = weights @ (labels[seen][:, None] == np.arange(10)).astype(float)

        def check(matrix=matrix, sides=sides, truth=labels[rest]):
            scores = sor(matrix, np.ascontiguousarray(sides.T), omega=1.7, rtol=1e-4).x
            return (scores.argmax(axis=0) == truth).mean()

        yield matrix, sides[:, t % 10].copy(), None, np.log(known), None if t % 10 else check


def neighbours(images):
    """Return the symmetric matrix of weights, without a diagonal."""
    squares = (images**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * images @ images.T, 0)
    np.fill_diagonal(distances, np.inf)
    near = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    rows = np.repeat(np.arange(len(images)), NEIGHBOURS)
    values = distances[rows, near.ravel()]
    weights = np.exp(-values / np.median(values))
    w = coo_array((weights, (rows, near.ravel())), shape=distances.shape).tocsr()
    return w.maximum(w.T).tocsr()


STUDY = Study(
    name="relaxation_real",
    title="Learning omega of SOR on sequences from real data",
    summary=(
        "A lake whose mixing follows the wind measured in Seattle, one system a day, and label "
        "propagation on handwritten digits with changing sets of labels: mean sweeps of SOR to "
        "1e-6 of the right-hand side for fixed, known and learned parameters."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    data=(WEATHER, DIGITS),
    quick={
        "lake": {"size": 24, "length": 366},
        "digits": {"size": 400, "length": 200},
        "seeds": 3,
    },
    full={
        "lake": {"size": 50, "length": 1461},
        "digits": {"size": 1797, "length": 1000},
        "seeds": 10,
    },
    quick_seconds=15,
    full_seconds=600,
)
