"""The networks that ship with the package: how many steps they take."""

import numpy as np
import pytest

from linalg_ml import cg, deep_conjugate_directions, deep_directions
from linalg_ml.deep_directions import GridPoisson

# Steps to 1e-4 and 1e-6 that another training of the network of the paper, as long as ours, gave.
PROTOTYPE = {
    (32, "none", "normal"): (10, 16),
    (32, "neumann", "normal"): (9, 13),
    (32, "dirichlet", "normal"): (16, 26),
    (32, "none", "dipole"): (7, 12),
    (32, "neumann", "dipole"): (10, 14),
    (32, "dirichlet", "dipole"): (11, 22),
    (64, "none", "normal"): (12, 21),
    (64, "neumann", "normal"): (15, 27),
    (64, "dirichlet", "normal"): (20, 33),
    (64, "none", "dipole"): (13, 18),
    (64, "neumann", "dipole"): (18, 30),
    (64, "dirichlet", "dipole"): (20, 30),
}


def problem(n, solids, rhs, d=2):
    mask = np.ones((n,) * d, bool)
    if solids != "none":
        mask[(slice(3 * n // 8, 5 * n // 8),) * d] = False
    a = GridPoisson(mask, solids="neumann" if solids == "neumann" else "dirichlet")
    if rhs == "normal":
        return a, np.random.default_rng(0).standard_normal(mask.shape) * mask
    x = np.meshgrid(*[(np.arange(n) + 0.5) / n] * d, indexing="ij")
    bumps = [np.exp(-sum((y - c) ** 2 for y in x) / (2 * 0.05**2)) for c in (0.25, 0.75)]
    return a, (bumps[0] - bumps[1]) * mask


def steps(a, b, model, rtols, **options):
    size = np.linalg.norm(b)
    result = deep_conjugate_directions(a, b, model=model, rtol=min(rtols), history=True, **options)
    assert result.converged
    assert np.linalg.norm(b - a.apply(result.x)) <= min(rtols) * size
    return [
        next(e["nit"] for e in result.history if e["residual"] <= rtol * size) for rtol in rtols
    ]


@pytest.mark.parametrize(("n", "solids", "rhs"), PROTOTYPE, ids=str)
def test_network_of_the_paper(n, solids, rhs):
    model = deep_directions.load("paper-64-2d")
    a, b = problem(n, solids, rhs)
    found = steps(a, b, model, (1e-4, 1e-6))
    for taken, known in zip(found, PROTOTYPE[n, solids, rhs], strict=True):
        assert taken <= 1.25 * known
    by_cg = cg(a.matvec, b.ravel(), rtol=1e-6).nit
    assert found[1] < by_cg / 2


@pytest.mark.parametrize("solids", ["none", "neumann", "dirichlet"])
def test_linear_network_takes_fewer_steps_than_that_of_the_paper(solids):
    a, b = problem(64, solids, "normal")
    names = ("linear-2d", "paper-64-2d")
    linear, paper = (steps(a, b, deep_directions.load(name), (1e-6,))[0] for name in names)
    assert linear < 0.8 * paper


def test_conjugate_directions_save_steps():
    """What the window of two directions is for."""
    model = deep_directions.load("paper-64-2d")
    a, b = problem(32, "neumann", "normal")
    (with_window,), (without,) = (steps(a, b, model, (1e-6,), n_orth=n_orth) for n_orth in (2, 0))
    assert with_window < 0.8 * without


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["paper-64-2d", "linear-2d"])
def test_a_network_in_a_short_format_costs_steps_and_no_accuracy(name, precision):
    a, b = problem(32, "neumann", "normal")
    (full,) = steps(a, b, deep_directions.load(name), (1e-10,))
    (short,) = steps(a, b, deep_directions.load(name, precision=precision), (1e-10,))
    assert short <= 1.6 * full


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
@pytest.mark.parametrize("name", ["linear-2d", "multigrid"])
def test_a_solve_in_a_short_format_goes_as_one_in_fp32(name, precision):
    """Directions of small curvature are not taken for a null space."""
    a, b = problem(16, "neumann", "normal")
    models = ["multigrid"] * 2
    if name != "multigrid":
        models = [deep_directions.load(name, precision=p) for p in ("fp32", precision)]
    rtol = {"bf16": 0.1, "fp16": 0.01, "tf32": 0.001}[precision]
    full = deep_conjugate_directions(a, b, model=models[0], precision="fp32", rtol=rtol)
    short = deep_conjugate_directions(a, b, model=models[1], precision=precision, rtol=rtol)
    assert short.converged and short.nit <= full.nit + 1 and short.restarts == 0


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_named_model_is_the_network_of_the_paper(library):
    a, b = problem(16, "neumann", "normal")
    given = pytest.importorskip("torch").from_numpy(b) if library == "torch" else b
    named = deep_conjugate_directions(a, given, model="network", rtol=1e-6)
    loaded = deep_conjugate_directions(a, b, model=deep_directions.load("paper-64-2d"), rtol=1e-6)
    assert named.converged and named.nit == loaded.nit
    x = np.asarray(named.x)
    assert not np.any(x[~a.mask])
    exact = np.linalg.solve(a.tosparse().toarray(), b[a.mask])
    assert np.linalg.norm(x[a.mask] - exact) < 1e-4 * np.linalg.norm(exact)


def test_three_dimensions():
    a, b = problem(16, "neumann", "normal", d=3)
    by_cg = cg(a.matvec, b.ravel(), rtol=1e-6).nit
    (taken,) = steps(a, b, "network", (1e-6,))
    assert taken < by_cg / 3


@pytest.mark.parametrize("solids", ["none", "neumann", "dirichlet"])
def test_linear_network_in_three_dimensions(solids):
    """On the size trained on, and on one that was not, in a fraction of the steps of CG."""
    model = deep_directions.load("linear-3d")
    for n in (16, 32):
        a, b = problem(n, solids, "normal", d=3)
        (taken,) = steps(a, b, model, (1e-6,))
        assert taken < cg(a.matvec, b.ravel(), rtol=1e-6).nit / 5


def test_no_network_for_other_operators():
    with pytest.raises(TypeError, match=r"a must be a .*GridPoisson"):
        deep_conjugate_directions(np.eye(9), np.ones(9), model="network")
