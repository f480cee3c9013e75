"""Optimizers for matrices as classes of PyTorch: the same steps, and a life as others have."""

import copy

import numpy as np
import pytest

from linalg_ml import optim
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
        w.grad = torch.tensor(perturbed_gradient(w.detach().numpy(), t))
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
