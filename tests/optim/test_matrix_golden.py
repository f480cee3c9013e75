"""Optimizers for matrices against published formulas and recorded values, on every library."""

import numpy as np
import pytest

from linalg_ml import optim
from tests.reference.matrix_problem import START, loss, perturbed_gradient, plain_gradient

GRADIENTS = {"P1": plain_gradient, "P2": perturbed_gradient}
AT = (1, 2, 3, 10, 100)  # the steps after which values were recorded


def trajectory(transform, gradient, steps, backend=None, start=START):
    """Return the matrices after each step; gradients are computed on the host."""
    make = np.asarray if backend is None else backend.array
    back = np.asarray if backend is None else backend.to_numpy
    w = make(start)
    state, path = transform.init(w), []
    for t in range(1, steps + 1):
        grad = make(gradient(np.asarray(back(w), dtype=float), t).astype(back(w).dtype))
        updates, state = transform.update(grad, state, w)
        w = optim.apply_updates(w, updates)
        path.append(np.asarray(back(w), dtype=float))
    return path


# Settings, problem, f after 1, 2, 3, 10 and 100 steps; None where rounding decides, see below.
GOLDEN = {
    "muon": (
        lambda: optim.muon(lr=0.1, schedule="jordan"),
        {
            "P1": (3.739071432, 3.661318421, 3.588633828, 3.260556953, None),
            "P2": (3.740230441, 3.667987532, 3.599819027, 3.263946664, None),
        },
    ),
    "muon, exact": (
        lambda: optim.muon(lr=0.1, steps=40, schedule="newton-schulz"),
        {"P2": (3.721489887, 3.632527506, 3.549839903, 3.233570283, 1.955818998)},
    ),
    "muon, corrected": (
        lambda: optim.muon(
            lr=0.1,
            schedule="jordan",
            bias_correction=True,
            scale=lambda m, n: max(1.0, n / m) ** 0.5,
        ),
        {"P1": (3.74965496, 3.68120442, 3.616765493, 3.301886053, None)},
    ),
    "shampoo": (
        lambda: optim.shampoo(lr=0.1),
        {
            "P1": (3.728717920, 3.669527115, 3.625036779, 3.455002574, 3.080231646),
            "P2": (3.733398309, 3.677093511, 3.634530076, 3.474079562, 3.121603890),
        },
    ),
    "shampoo, roots": (
        lambda: optim.shampoo(lr=0.1, power=0.5),
        {
            "P1": (3.661476872, 3.574593558, 3.519758611, 3.350762494, 3.048271086),
            "P2": (3.840515530, 3.736874989, 3.688153558, 3.548336362, 3.278408187),
        },
    ),
    "asgo, analysed": (
        lambda: optim.asgo(
            lr=0.1,
            betas=(0.0, None),
            eps=1e-8,
            rms=None,
            side="left",
            damping="outside",
            weight_decay=0.0,
        ),
        {
            "P1": (3.728717586, 3.670181778, 3.626024875, 3.453708053, 3.034651258),
            "P2": (3.733398189, 3.679134918, 3.636000980, 3.464583289, 3.060735200),
        },
    ),
    "asgo": (
        lambda: optim.asgo(lr=0.1, weight_decay=0.0),
        {
            "P1": (3.775018776, 3.729784561, 3.687067846, 3.439895398, 2.498552073),
            "P2": (3.784714063, 3.745429523, 3.705331847, 3.443732955, 2.460914781),
        },
    ),
    "dasgo": (
        lambda: optim.dasgo(lr=0.1, weight_decay=0.0),
        {
            "P1": (3.766575112, 3.717675761, 3.675377078, 3.425339544, 2.411359533),
            "P2": (3.767997488, 3.719506887, 3.676556437, 3.428225980, 2.409420679),
        },
    ),
    "soap": (
        lambda: optim.soap(lr=0.1, weight_decay=0.0),
        {
            "P1": (3.823456239, 3.728717592, None, None, None),
            "P2": (3.823456239, 3.725684982, 3.634522739, 3.157612919, 1.894619662),
        },
    ),
    "soap, each step": (
        lambda: optim.soap(lr=0.1, weight_decay=0.0, frequency=1),
        {"P2": (3.823456239, 3.725684982, 3.635083710, 3.160240310, 1.887938741)},
    ),
    "soap, decay": (
        lambda: optim.soap(lr=0.1, weight_decay=0.01),
        {"P2": (3.823456239, 3.725765394, 3.634775475, 3.159158751, 1.895850639)},
    ),
    "soap, one side": (
        lambda: optim.soap(lr=0.1, weight_decay=0.0, frequency=1, sides="smaller"),
        {"P2": (3.823456239, 3.681335262, 3.663209070, 3.339404098, 1.927732117)},
    ),
    "soap, factored": (
        lambda: optim.soap(lr=0.1, weight_decay=0.0, frequency=1, factored=True),
        {"P2": (3.823456239, 3.793005797, 3.605125480, 3.014220646, 1.893655542)},
    ),
    "soap, large eps": (
        lambda: optim.soap(lr=0.1, weight_decay=0.0, frequency=1, eps=1e-3),
        {"P2": (3.823456239, 3.717373736, 3.613659179, 3.177714090, 1.889342152)},
    ),
    "frugal": (
        lambda: optim.frugal(lr=0.1, density=1 / 3, frequency=5, order="cyclic"),
        {
            "P1": (3.663999938, 3.847337816, 3.553152959, 3.298100252, 2.634127823),
            "P2": (3.642627912, 3.553342370, 3.503642039, 3.396289423, 2.740452898),
        },
    ),
    "frugal, small signs": (
        lambda: optim.frugal(lr=0.1, density=1 / 3, frequency=5, order="cyclic", free_scale=0.1),
        {
            "P1": (3.752782140, 3.726303064, 3.688786014, 3.496994604, 2.356322701),
            "P2": (3.756475953, 3.726336781, 3.692082697, 3.485690846, 2.550522142),
        },
    ),
}


@pytest.mark.parametrize("problem", GRADIENTS)
@pytest.mark.parametrize("name", GOLDEN)
def test_recorded_values(name, problem):
    make, rows = GOLDEN[name]
    if problem not in rows:
        pytest.skip("the first gradient has rank 2, and rounding decides the third direction")
    steps = [t for t, value in zip(AT, rows[problem], strict=True) if value is not None]
    path = trajectory(make(), GRADIENTS[problem], steps[-1])
    found = [loss(path[t - 1]) for t in steps]
    np.testing.assert_allclose(found, rows[problem][: len(steps)], rtol=2e-9)


class Single:
    """NumPy arrays in single precision."""

    to_numpy = staticmethod(np.asarray)

    @staticmethod
    def array(values):
        return np.asarray(values, dtype=np.float32)


@pytest.mark.parametrize("name", GOLDEN)
def test_recorded_values_in_single_precision(name):
    make, rows = GOLDEN[name]
    values = rows.get("P2")
    if values is None:
        pytest.skip("rounding decides the third direction")
    steps = [t for t, value in zip(AT, values, strict=True) if value is not None]
    path = trajectory(make(), perturbed_gradient, steps[-1], Single)
    found = [loss(path[t - 1]) for t in steps]
    np.testing.assert_allclose(found, values[: len(steps)], rtol=4e-6)
