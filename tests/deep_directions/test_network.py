"""The networks: layers against a literal transcription, libraries, solids, precision."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import correlate

from linalg_ml import deep_conjugate_directions
from linalg_ml.deep_directions import Architecture, GridPoisson, Network
from linalg_ml.deep_directions.architecture import ARCHITECTURES

LINEAR = ARCHITECTURES["linear"]
SMALL = replace(LINEAR, channels=3, levels=2, coarse=1)


def network(architecture, seed=0, **changes):
    weights = architecture.start(seed)
    rng = np.random.default_rng(seed)
    for name, values in weights.items():
        if name.endswith("bias"):
            weights[name] = rng.uniform(-0.1, 0.1, values.shape).astype(np.float32)
    return Network(architecture, weights, **changes)


def box(n=12, solids="dirichlet", d=2):
    mask = np.ones((n,) * d, bool)
    mask[(slice(n // 3, n // 2),) * d] = False
    return GridPoisson(mask, solids=solids)


@pytest.mark.parametrize(
    ("name", "dimensions", "parameters", "radius"),
    [
        ("paper-64", 3, 97_457, 21),
        ("paper-128", 3, 152_881, 33),
        ("paper-64", 2, 32_657, 21),
        ("paper-128", 2, 51_217, 33),
    ],
)
def test_sizes_of_the_paper(name, dimensions, parameters, radius):
    net = replace(ARCHITECTURES[name], dimensions=dimensions)
    assert net.parameters == sum(w.size for w in net.start(0).values()) == parameters
    assert net.radius == radius
    convolutions = {name: c for name, c in net.layers().items() if c == (16, 16)}
    assert len(convolutions) == {"paper-64": 14, "paper-128": 22}[name]


def test_products_for_each_cell():
    assert round(replace(ARCHITECTURES["paper-64"], dimensions=3).products_per_cell) == 60_928
    assert round(replace(ARCHITECTURES["paper-128"], dimensions=3).products_per_cell) == 92_032


def transcription(weights, r, repeats, coarse, after):
    """The network of the paper line by line, in float64, one channel at a time."""
    d = r.ndim

    def conv(name, x):
        w = weights[f"{name}.weights"].astype(float)
        return [
            sum(correlate(x[i], w[..., i, o], mode="constant") for i in range(len(x)))
            + weights[f"{name}.bias"][o]
            for o in range(w.shape[-1])
        ]

    def relu(x):
        return [np.maximum(part, 0) for part in x]

    def add(x, y):
        return [a + b for a, b in zip(x, y, strict=True)]

    def residual(name, x):
        return add(relu(conv(f"{name}.b", relu(conv(f"{name}.a", x)))), x)

    def pool(part):
        for axis in range(d):
            part = 0.5 * (part.take(range(0, part.shape[axis], 2), axis)
                          + part.take(range(1, part.shape[axis], 2), axis))  # fmt: skip
        return part

    la = relu(conv("enter", conv("first", [r])))
    for i in range(repeats):
        lb = relu(conv(f"down0.{i}.a", la))
        la = add(relu(conv(f"down0.{i}.b", lb)), la)
    lb = relu(conv("leave", la))
    p = [pool(part) for part in lb]
    for i in range(coarse):
        p = residual(f"coarse.{i}", p)
    u = add([np.kron(part, np.ones((2,) * d)) for part in p], lb)
    for i in range(after):
        u = residual(f"up0.{i}", u)
    return sum(h * part for h, part in zip(weights["head.weights"][:, 0], u, strict=True)) + float(
        weights["head.bias"][0]
    )


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", ["paper-64", "paper-128"])
def test_layers_of_the_paper(name, dimensions, rng):
    sizes = {"paper-64": (1, 3, 2), "paper-128": (2, 5, 3)}[name]
    net = network(replace(ARCHITECTURES[name], dimensions=dimensions))
    r = rng.standard_normal((8, 6) if dimensions == 2 else (4, 6, 4))
    wanted = transcription(net.weights, r, *sizes)
    np.testing.assert_allclose(net(r), wanted, rtol=2e-5, atol=2e-5)
    exact = replace(net, precision="fp64")
    np.testing.assert_allclose(exact(r), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("architecture", [replace(Architecture(), channels=3), SMALL])
def test_every_library(xp, rng, architecture):
    net = network(architecture)
    r = rng.standard_normal((2, 8, 12))
    wanted = np.asarray(net(r))
    given = xp.array(r)
    q = net.prepare(GridPoisson(np.ones((8, 12), bool)))(given)
    xp.assert_like(q, given)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(xp.to_numpy(q), wanted, atol=3e-6 * scale)


@pytest.mark.parametrize("grid", [(1, 1), (5, 7), (16, 3), (3, 2, 5)], ids=str)
@pytest.mark.parametrize("architecture", [Architecture(channels=3), SMALL], ids=["paper", "linear"])
def test_any_grid_and_stacks_equal_loops(architecture, grid, rng):
    net = network(replace(architecture, dimensions=len(grid)))
    r = rng.standard_normal((2, 3, *grid))
    before = r.copy()
    q = net(r)
    assert q.shape == r.shape and q.dtype == r.dtype
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(q[i], net(r[i]), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(r, before)


@pytest.mark.parametrize("solids", ["dirichlet", "neumann"])
def test_without_biases_and_positive_parts_the_network_is_linear(solids, rng):
    operator = box(solids=solids)
    r, s = rng.standard_normal((2, 12, 12))
    f = replace(network(SMALL), precision="fp64").prepare(operator)
    np.testing.assert_allclose(f(2 * r - 3 * s), 2 * f(r) - 3 * f(s), atol=1e-11)
    g = network(Architecture(channels=3)).prepare(operator)
    assert np.abs(g(2 * r) - 2 * g(r)).max() > 1e-3


def test_the_network_sees_solids_and_their_kind(rng):
    r = rng.standard_normal((12, 12))
    net = network(SMALL)
    empty, hard, soft = (
        net.prepare(a)(r)
        for a in (GridPoisson(np.ones((12, 12), bool)), box(), box(solids="neumann"))
    )
    assert np.abs(empty - hard).max() > 1e-3 and np.abs(hard - soft).max() > 1e-3
    inside = ~box().mask
    changed = np.where(inside, 7.0, r)  # what stands in solids is not read
    np.testing.assert_array_equal(net.prepare(box())(changed), hard)
    blind = network(Architecture(channels=3))
    np.testing.assert_array_equal(blind.prepare(box())(r), blind(r))


def test_nothing_passes_through_thick_walls(rng):
    """Features are multiplied by the open part of their cell, on all grids."""
    mask = np.ones((48, 24), bool)
    mask[16:32] = False
    r = np.zeros(mask.shape)
    r[:16] = rng.standard_normal((16, 24))
    q = network(SMALL).prepare(GridPoisson(mask))(r)
    assert np.abs(q[:16]).min() > 0
    assert not np.any(q[16:])
    blind = replace(SMALL, geometry=False)
    assert np.any(network(blind).prepare(GridPoisson(mask))(r)[32:])


def test_linear_upsampling_is_exact_for_linear_functions():
    from linalg_ml.deep_directions.network import _halve, _raise

    x, y = np.meshgrid(np.arange(16.0), np.arange(8.0), indexing="ij")
    fine = (2 * x - 3 * y + 1)[None, ..., None]
    raised = _raise(_halve(fine, np), np)
    np.testing.assert_allclose(raised[:, 1:-1, 1:-1], fine[:, 1:-1, 1:-1], atol=1e-12)


@pytest.mark.parametrize(("precision", "unit"), [("bf16", 2.0**-8), ("fp16", 2.0**-11)])
@pytest.mark.parametrize("architecture", [Architecture(), LINEAR], ids=["paper", "linear"])
def test_short_formats(architecture, precision, unit, rng):
    """The error is a few roundings per layer, and real: more than one in fp32."""
    r = rng.standard_normal((16, 16)) / 16
    exact = replace(network(architecture), precision="fp64")(r)
    short = network(architecture, precision=precision)(r)
    error = np.linalg.norm(short - exact) / np.linalg.norm(exact)
    assert unit / 8 < error < 8 * unit


def test_traces_under_jit(rng):
    jax = pytest.importorskip("jax")
    net = network(Architecture(channels=2, coarse=1))
    r = rng.standard_normal((8, 8)).astype(np.float32)
    np.testing.assert_allclose(jax.jit(net)(jax.numpy.asarray(r)), net(r), atol=1e-5)


def test_wrong_networks_and_operators():
    net = network(SMALL)
    with pytest.raises(ValueError, match="network is one of 2 dimensions, but a has 3"):
        net.prepare(GridPoisson(np.ones((4, 4, 4), bool)))
    with pytest.raises(TypeError, match=r"a must be a .*GridPoisson, got ndarray"):
        deep_conjugate_directions(np.eye(4), np.ones(4), model=net)
    with pytest.raises(ValueError, match=r"r must have shape \(\.\.\., \*grid\) with 2 axes"):
        net(np.ones(4))
    with pytest.raises(TypeError, match="r must hold floating-point numbers, got dtype int64"):
        net(np.ones((8, 8), int))
    with pytest.raises(TypeError, match="r must be real, got dtype complex128"):
        deep_conjugate_directions(box(), np.ones((12, 12), complex), model=net)
    with pytest.raises(ValueError, match=r"one array for each layer; odd: head\.weights"):
        Network(SMALL, {k: v for k, v in net.weights.items() if k != "head.weights"})
    with pytest.raises(ValueError, match=r"weights\['head.weights'\] must have shape"):
        Network(SMALL, {**net.weights, "head.weights": np.ones((2, 2))})
    with pytest.raises(ValueError, match="must be finite"):
        Network(SMALL, {**net.weights, "head.weights": np.full((3, 1), np.nan)})
    with pytest.raises(ValueError, match="precision must be one of"):
        Network(SMALL, net.weights, precision="int8")
    with pytest.raises(ValueError, match="dimensions must be 2 or 3, got 1"):
        Architecture(dimensions=1)
    with pytest.raises(ValueError, match="levels must be at least 1"):
        Architecture(levels=0)
    with pytest.raises(ValueError, match="upsampling must be one of"):
        Architecture(upsampling="cubic")


def test_a_changed_copy_forgets_what_was_prepared(rng):
    net, r = network(SMALL), rng.standard_normal((8, 8))
    other = {name: 2 * values for name, values in net.weights.items()}
    net(r)
    for change in ({"precision": "bf16"}, {"weights": other}):
        changed = replace(net, **change)
        fresh = Network(**{"architecture": SMALL, "weights": net.weights, **change})
        assert np.array_equal(changed(r), fresh(r))


def test_networks_are_equal_to_themselves_alone():
    net = network(SMALL)
    assert net == net
    assert net != network(SMALL)
    assert net in [network(SMALL), net]


def test_a_network_that_was_used_is_pickled_without_what_it_prepared(rng):
    net = network(SMALL)
    r = rng.standard_normal((8, 8))
    before = pickle.dumps(net)
    made = net(r)
    assert pickle.dumps(net) == before
    assert np.array_equal(pickle.loads(before)(r), made)
