"""Optimizers for matrices as classes of PyTorch: the same steps, and a life as others have."""

import copy
import io

import numpy as np
import pytest

from linalg_ml import Precision, optim
from linalg_ml import schedule as polynomials
from tests.optim.test_matrix_golden import trajectory
from tests.reference.matrix_problem import START, perturbed_gradient

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SETTINGS = {
    "Muon": (optim.muon, {"lr": 0.1, "weight_decay": 0.1}),
    "PolarGrad": (optim.polargrad, {"lr": 0.1, "placement": "polar-first"}),
    "Shampoo": (optim.shampoo, {"lr": 0.1, "frequency": 3, "decay": 0.9, "graft": "adam"}),
    "SOAP": (optim.soap, {"lr": 0.1, "frequency": 3}),
    "ASGO": (optim.asgo, {"lr": 0.1, "frequency": 2}),
    "DASGO": (optim.dasgo, {"lr": 0.1}),
    "Dion": (optim.dion, {"lr": 0.1, "rank": 0.5}),
    "FISMO": (optim.fismo, {"lr": 0.1}),
    "MACRO": (optim.macro, {"lr": 0.1, "radius": 2.0, "manifold": "spectral"}),
    "SPEL": (optim.spel, {"lr": 0.1}),
    "FRUGAL": (optim.frugal, {"lr": 0.1, "frequency": 3, "density": 0.5, "weight_decay": 0.1}),
}


def walk(optimizer, w, first, last):
    """Make the steps first, ..., last of the perturbed problem."""
    for t in range(first, last + 1):
        w.grad = torch.tensor(perturbed_gradient(w.detach().numpy(), t), dtype=w.dtype)
        optimizer.step()


def start():
    return torch.nn.Parameter(torch.tensor(START))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_class_makes_the_steps_of_the_function(name):
    function, settings = SETTINGS[name]
    w = start()
    walk(getattr(optim.torch, name)([w], **settings), w, 1, 8)
    expected = trajectory(function(**settings), perturbed_gradient, 8)[-1]
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-11)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_loaded_state_goes_on_bit_for_bit(name):
    make, settings = getattr(optim.torch, name), SETTINGS[name][1]
    w = start()
    optimizer = make([w], **settings)
    walk(optimizer, w, 1, 4)
    other = torch.nn.Parameter(w.detach().clone())
    resumed = make([other], **settings)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    walk(optimizer, w, 5, 9)
    walk(resumed, other, 5, 9)
    assert torch.equal(w, other)
    wrong = torch.nn.Parameter(torch.zeros(5, 3, dtype=torch.float64))
    with pytest.raises(ValueError):
        make([wrong], **settings).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("name", SETTINGS)
def test_autocast_does_not_reach_the_step(name):
    make, settings = getattr(optim.torch, name), SETTINGS[name][1]
    function, _ = SETTINGS[name]
    outside, inside, partitioned = (torch.nn.Parameter(start().detach().float()) for _ in range(3))
    walk(make([outside], **settings), outside, 1, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        walk(make([inside], **settings), inside, 1, 4)
        transform = optim.partition({"all": function(**settings)}, lambda path, array: "all")
        walk(optim.torch.TransformOptimizer([partitioned], transform), partitioned, 1, 4)
    assert torch.equal(inside, outside) and torch.equal(partitioned, outside)


def test_groups_have_settings_of_their_own():
    """Fused weights in one group, convolutions in another, small and large matrices together."""
    rng = np.random.default_rng(0)
    shapes = {"fused": (12, 4), "convolution": (4, 3, 2, 2), "a": (4, 4), "b": (4, 4), "c": (5, 4)}
    grads = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    params = {name: torch.nn.Parameter(torch.zeros(g.shape)) for name, g in grads.items()}
    plain = [params[name] for name in shapes if name != "fused"]
    optimizer = optim.torch.Muon(
        [{"params": [params["fused"]], "fused": 3}, {"params": plain, "scale": "match-rms"}], lr=1.0
    )
    for name, param in params.items():
        param.grad = torch.tensor(grads[name], dtype=torch.float32)
    params["b"].grad = None
    optimizer.step()
    assert not params["b"].detach().any()
    for name, options in (("fused", {"fused": 3}), *((n, {"scale": "match-rms"}) for n in "ac")):
        transform, zero = optim.muon(lr=1.0, **options), 0 * grads[name]
        expected, _ = transform.update(grads[name], transform.init(zero), zero)
        np.testing.assert_allclose(params[name].detach().numpy(), expected, atol=1e-4)


def test_what_is_no_matrix_is_refused_at_once():
    for name in ("Muon", "PolarGrad", "ASGO", "DASGO", "Dion", "FISMO", "MACRO", "SPEL"):
        with pytest.raises(ValueError, match="at least two axes"):
            getattr(optim.torch, name)([torch.nn.Parameter(torch.zeros(3))])


def test_networks_learn():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 8, generator=generator)
    y = torch.sin(x @ torch.randn(8, 2, generator=generator))
    for name, lr in (("Muon", 0.1), ("SOAP", 0.03), ("Shampoo", 0.2), ("PolarGrad", 2.0)):
        torch.manual_seed(0)
        layers = (
            torch.nn.Linear(8, 32, bias=False),
            torch.nn.Tanh(),
            torch.nn.Linear(32, 2, False),
        )
        net = torch.nn.Sequential(*layers)
        optimizer, losses = getattr(optim.torch, name)(net.parameters(), lr=lr), []
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)
        for _ in range(60):
            optimizer.zero_grad()
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0], (name, losses[0], losses[-1])


def roots(state):
    return [a for name, a in state.items() if name.startswith("root")]


@pytest.mark.parametrize(("name", "before", "after"), [
    ("Muon", {"momentum": 0.5}, {"momentum": 0.9, "nesterov": False, "scale": "none"}),
    ("PolarGrad", {"placement": "nesterov"}, {"placement": "momentum-first"}),
    ("SOAP", {"frequency": 3}, {"frequency": 1, "betas": (0.8, 0.8)}),
    ("FRUGAL", {"free": "sign"}, {"free": "gradient", "free_scale": 0.5}),
    ("MACRO", {"radius": 2.0}, {"radius": 3.0, "momentum": 0.0}),
    ("Shampoo", {"decay": 0.9}, {"decay": 0.5, "eps": 1e-3, "power": 0.5}),
    ("Dion", {"momentum": 0.95}, {"momentum": 0.5, "scale": "none"}),
    ("FISMO", {"damping": 1e-3}, {"damping": 1e-1, "schedule": "svd"}),
])  # fmt: skip
def test_changed_hyperparameters_take_effect_at_once(name, before, after):
    """The step is that of an optimizer made with them, from the same state."""
    make, w = getattr(optim.torch, name), start()
    optimizer = make([w], lr=0.1, **before)
    walk(optimizer, w, 1, 3)
    others = [torch.nn.Parameter(w.detach().clone()) for _ in range(2)]
    for other, change in zip(others, (after, {}), strict=True):
        saved = copy.deepcopy(optimizer.state_dict())
        saved["param_groups"][0].update(change)
        resumed = make([other], lr=0.1)
        resumed.load_state_dict(saved)
        walk(resumed, other, 4, 6)
    optimizer.param_groups[0].update(after)
    walk(optimizer, w, 4, 6)
    assert torch.equal(w, others[0]) and not torch.equal(w, others[1])


def test_a_radius_that_is_given_later_is_kept():
    w = torch.nn.Parameter(start().detach() + 1)
    optimizer = optim.torch.MACRO([w], lr=0.1)
    walk(optimizer, w, 1, 2)
    for radius in (5.0, 2.0, None):
        optimizer.param_groups[0]["radius"] = radius
        walk(optimizer, w, 3, 4)
        np.testing.assert_allclose(w.detach().norm(), radius or 2.0, rtol=1e-12)


@pytest.mark.parametrize("settings", [
    {"decay": 0.9, "bias_correction": True}, {"momentum": 0.9, "graft": "adam"},
], ids=str)  # fmt: skip
def test_shampoo_keeps_and_drops_roots_means_and_squares(settings):
    w = start()
    optimizer = optim.torch.Shampoo([w], lr=0.1)
    walk(optimizer, w, 1, 2)
    optimizer.param_groups[0].update(settings, frequency=10)
    walk(optimizer, w, 3, 3)
    state = optimizer.state[w]
    plain = optim.torch.Shampoo([start()], lr=0.1, frequency=10, **settings)
    assert state.keys() == plain._leafwise(plain.param_groups[0]).init(w.detach()).keys()
    kept = [a.clone() for a in roots(state)]
    assert kept and not any(torch.equal(a, torch.eye(len(a), dtype=a.dtype)) for a in kept)
    walk(optimizer, w, 4, 10)
    assert all(map(torch.equal, kept, roots(state)))
    walk(optimizer, w, 11, 11)
    assert not any(map(torch.equal, kept, roots(state)))
    optimizer.param_groups[0].update(momentum=0.0, graft="none", frequency=1)
    walk(optimizer, w, 12, 12)
    assert optimizer.state[w].keys() == {"step", "skipped", "statistic0.0", "statistic0.1"}


def test_asgo_goes_on_from_a_root_for_every_step_to_one_that_is_kept():
    w = start()
    optimizer = optim.torch.ASGO([w], lr=0.1)
    walk(optimizer, w, 1, 3)
    optimizer.param_groups[0]["frequency"] = 4
    statistic = optimizer.state[w]["statistic0"].clone()
    walk(optimizer, w, 4, 4)
    (root,) = roots(optimizer.state[w])
    values, vectors = torch.linalg.eigh(statistic)
    expected = vectors / (values + 1e-10).sqrt() @ vectors.T
    np.testing.assert_allclose(root, expected, rtol=1e-9)
    optimizer.param_groups[0]["frequency"] = 1
    walk(optimizer, w, 5, 5)
    assert not roots(optimizer.state[w])


@pytest.mark.parametrize(("name", "change"), [
    ("PolarGrad", {"placement": "none"}),
    ("PolarGrad", {"placement": "polar-first"}),
    ("SOAP", {"sides": "smaller"}),
    ("SOAP", {"max_order": 3}),
    ("SOAP", {"factored": True}),
    ("FRUGAL", {"density": 0.5}),
    ("FRUGAL", {"projection": "svd"}),
    ("Shampoo", {"block": 2}),
    ("ASGO", {"side": "left"}),
    ("Dion", {"rank": 1}),
    ("MACRO", {"manifold": "rows"}),
    ("DASGO", {"out_axis": -1}),
    ("FISMO", {"out_axis": -1}),
    ("SPEL", {"fused": 2}),
    ("Muon", {"fused": 2}),
])  # fmt: skip
def test_what_the_state_depends_on_cannot_change(name, change):
    w = torch.nn.Parameter(start().detach() + 1)
    optimizer = getattr(optim.torch, name)([w], lr=0.1)
    walk(optimizer, w, 1, 1)
    before = w.detach().clone()
    optimizer.param_groups[0].update(change)
    (key,) = change
    with pytest.raises(ValueError, match=f"^{key} cannot change after the first step"):
        walk(optimizer, w, 2, 2)
    assert torch.equal(w, before)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_loaded_state_takes_the_type_of_its_parameter(name):
    make, settings = getattr(optim.torch, name), SETTINGS[name][1]
    for types in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
        first, second = (torch.nn.Parameter(torch.tensor(START, dtype=dtype)) for dtype in types)
        optimizer, other = make([first], **settings), make([second], **settings)
        first.grad = first.detach() + 1
        optimizer.step()
        other.load_state_dict(optimizer.state_dict())
        for key, a in other.state[second].items():
            integer = not a.dtype.is_floating_point
            assert a.dtype == (torch.int32 if integer else types[1]), key
        second.grad = second.detach() + 1
        other.step()


@pytest.mark.parametrize(("name", "settings"), [
    ("Muon", {"schedule": polynomials("jordan").take(3), "precision": Precision("fp32", "each")}),
    ("Shampoo", {"root": polynomials("cans").take(4)}),
    ("SPEL", {"schedule": [(1.5, -0.5)]}),
])  # fmt: skip
def test_a_schedule_is_saved_as_plain_numbers(name, settings):
    make, w = getattr(optim.torch, name), start()
    optimizer = make([w], lr=0.1, **settings)
    walk(optimizer, w, 1, 2)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other = torch.nn.Parameter(w.detach().clone())
    resumed = make([other], lr=0.1)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for key, value in settings.items():
        assert resumed.param_groups[0][key] == value
    walk(optimizer, w, 3, 5)
    walk(resumed, other, 3, 5)
    assert torch.equal(w, other)
