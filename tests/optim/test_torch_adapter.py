"""The classes for PyTorch: groups, schedulers, closures, states saved in the middle."""

import copy
import inspect
import io
import pickle
import warnings
from functools import partial

import numpy as np
import pytest

from linalg_ml import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from linalg_ml.optim import adam_family, torch_distributed, torch_lora  # noqa: E402
from linalg_ml.optim import torch as adapter  # noqa: E402

CLASSES = [
    ("SGD", "sgd", {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    ("SGD", "sgd", {"momentum": 0.9, "nesterov": True}),
    ("SGD", "sgd", {}),
    ("Adam", "adam", {"weight_decay": 0.1}),
    ("AdamW", "adamw", {"weight_decay": 0.1}),
    ("EqualBetaAdam", "equal_beta_adam", {"weight_decay": 0.1}),
    ("EqualBetaAdam", "equal_beta_adam", {"form": "moments", "correct_bias": True}),
    ("Lion", "lion", {"weight_decay": 0.1}),
    ("Signum", "signum", {"nesterov": True, "mollifier": 0.1}),
    ("Signum", "signum", {"weight_decay": 0.1}),
    ("SignSGD", "sign_sgd", {}),
    ("MeanOfSigns", "mean_of_signs", {"weight_decay": 0.1}),
    ("Adafactor", "adafactor", {"weight_decay": 0.1}),
]
IDS = [f"{name}-{'-'.join(settings) or 'plain'}" for name, _, settings in CLASSES]


def parameters(dtype=torch.float64):
    """Return parameters of three shapes, one of them twice."""
    values = [(4, 3), (4, 3), (3,), (2, 3, 2)]
    return [
        torch.nn.Parameter(torch.linspace(-1, 2, int(np.prod(s)), dtype=dtype).reshape(s))
        for s in values
    ]


def fill(params, t):
    """Give every parameter a gradient that depends on it and on the step."""
    for i, p in enumerate(params):
        shift = torch.sin(t + i + torch.arange(p.numel(), dtype=torch.float64)).reshape(p.shape)
        p.grad = (p.detach() - 1 + shift).to(p.dtype)


def run(optimizer, params, steps, start=1):
    for t in range(start, start + steps):
        fill(params, t)
        optimizer.step()


@pytest.mark.parametrize(("name", "function", "settings"), CLASSES, ids=IDS)
def test_the_class_makes_the_steps_of_the_function(name, function, settings):
    params = parameters()
    optimizer = getattr(adapter, name)(params, lr=0.05, **settings)
    ours = [p.detach().clone() for p in params]
    transform = getattr(optim, function)(0.05, **settings)
    state = transform.init(ours)
    for t in range(1, 6):
        fill(params, t)
        grads = [p.grad.clone() for p in params]
        optimizer.step()
        for p, grad in zip(params, grads, strict=True):
            assert torch.equal(p.grad, grad)
        updates, state = transform.update(grads, state, ours)
        ours = optim.apply_updates(ours, updates)
    for p, expected, own in zip(params, ours, state["params"], strict=True):
        np.testing.assert_allclose(p.detach(), expected, rtol=0, atol=1e-13)
        assert optimizer.state[p].keys() == own.keys()
        for key, a in own.items():
            held = optimizer.state[p][key]
            assert held.dtype == a.dtype
            np.testing.assert_allclose(held, a, rtol=0, atol=1e-13)


@pytest.mark.parametrize("elementwise", [True, False])
def test_a_step_takes_memory_for_a_part_of_the_parameters(monkeypatch, elementwise):
    """What is computed before it is stored has a bounded size, unless one parameter is larger."""
    sizes = []

    class Rule(adam_family.Adam):
        def update(self, grad, state, param, step):
            sizes[-1] += sum(a.numel() for a in getattr(param, "arrays", [param]))
            return super().update(grad, state, param, step)

    Rule.elementwise = elementwise

    def counted(make, *args):
        sizes.append(0)
        make(*args)

    for name in ("step_in_place", "_step_alone"):
        monkeypatch.setattr(adapter, name, partial(counted, getattr(adapter, name)))
    monkeypatch.setattr(adapter, "_AT_ONCE", 20, raising=False)
    optimizer = adapter.optimizer_class(lambda lr: optim.from_rule(Rule(), lr), "Own")
    params = [torch.nn.Parameter(torch.ones(n)) for n in (8, 12, 1, 30, 5, 5)]
    expected = [torch.nn.Parameter(torch.ones_like(p)) for p in params]
    fill(params, 1)
    fill(expected, 1)
    optimizer(params, lr=0.1).step()
    assert sizes == [20, 1, 30, 10]
    adapter.Adam(expected, lr=0.1).step()
    for p, q in zip(params, expected, strict=True):
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "_", "settings"), CLASSES, ids=IDS)
def test_a_saved_run_goes_on_bit_for_bit(name, _, settings, dtype):
    params = parameters(dtype)
    optimizer = getattr(adapter, name)(params, lr=0.05, **settings)
    run(optimizer, params, 3)
    others = [torch.nn.Parameter(p.detach().clone()) for p in params]
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    again = getattr(adapter, name)(others, lr=0.7)
    again.load_state_dict(torch.load(file))
    run(optimizer, params, 3, start=4)
    run(again, others, 3, start=4)
    for p, q in zip(params, others, strict=True):
        assert torch.equal(p, q)
        for key, a in optimizer.state[p].items():
            assert a.dtype == again.state[q][key].dtype
            assert torch.equal(a, again.state[q][key])


def test_a_loaded_state_is_a_copy():
    params = parameters()
    optimizer = adapter.AdamW(params)
    run(optimizer, params, 1)
    saved = optimizer.state_dict()
    held = saved["state"][0]["mean"].clone()
    others = [torch.nn.Parameter(p.detach().clone()) for p in params]
    again = adapter.AdamW(others)
    again.load_state_dict(saved)
    run(again, others, 2)
    assert torch.equal(saved["state"][0]["mean"], held)


@pytest.mark.parametrize("types", [
    (torch.float32, torch.float64), (torch.float64, torch.float32), (torch.bfloat16, torch.float64),
    (torch.float64, torch.bfloat16), (torch.float32, torch.bfloat16),
], ids=str)  # fmt: skip
@pytest.mark.parametrize(("name", "_", "settings"), CLASSES, ids=IDS)
def test_a_loaded_state_takes_the_type_that_its_parameter_asks_for(name, _, settings, types):
    first, second = (parameters(dtype) for dtype in types)
    optimizer, again = (getattr(adapter, name)(p, lr=0.05, **settings) for p in (first, second))
    run(optimizer, first, 2)
    again.load_state_dict(optimizer.state_dict())
    wanted = torch.float64 if types[1] == torch.float64 else torch.float32
    for p, q in zip(first, second, strict=True):
        for key, a in optimizer.state[p].items():
            held = again.state[q][key]
            assert held.dtype == (torch.int32 if key in ("step", "skipped") else wanted)
            assert torch.equal(held, a.to(held.dtype))
    run(again, second, 2, start=3)
    assert all(torch.all(torch.isfinite(p)) for p in second)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on(duplicate):
    params = parameters()
    optimizer = adapter.AdamW(params, lr=0.1)
    run(optimizer, params, 2)
    other = duplicate(optimizer)
    mine = other.param_groups[0]["params"]
    run(optimizer, params, 1, start=3)
    run(other, mine, 1, start=3)
    assert all(torch.equal(p, q) for p, q in zip(params, mine, strict=True))


def test_a_state_of_another_shape_is_refused():
    optimizer = adapter.AdamW([torch.nn.Parameter(torch.ones(2, 3))])
    run(optimizer, optimizer.param_groups[0]["params"], 1)
    saved = optimizer.state_dict()
    other = adapter.AdamW([torch.nn.Parameter(torch.ones(3, 3))])
    with pytest.raises(ValueError, match=r"\['mean'\] must have shape \(3, 3\)"):
        other.load_state_dict(saved)
    assert not other.state
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters, got \[1\]"):
        adapter.AdamW([torch.nn.Parameter(torch.ones(1)) for _ in "ab"]).load_state_dict(saved)
    with pytest.raises(ValueError, match="must be a dict with keys"):
        lion = adapter.Lion([torch.nn.Parameter(torch.ones(2, 3))])
        run(lion, lion.param_groups[0]["params"], 1)
        other = adapter.AdamW([torch.nn.Parameter(torch.ones(2, 3))])
        state = lion.state_dict()
        state["param_groups"][0]["eps"] = 1e-8
        other.load_state_dict(state)
    with pytest.raises(ValueError, match=r"one of Signum; its groups lack \['beta'"):
        adapter.Signum([torch.nn.Parameter(torch.ones(2, 3))]).load_state_dict(saved)


def test_groups_have_hyperparameters_of_their_own():
    a, b = (torch.nn.Parameter(torch.ones(2)) for _ in "ab")
    optimizer = adapter.SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=0.25)
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    assert a.tolist() == [0, 0] and b.tolist() == [0.75, 0.75]
    with pytest.raises(ValueError, match="lr must be >= 0, got -1"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": -1.0})
    assert len(optimizer.param_groups) == 2
    c = torch.nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [c], "lr": 0.5})
    c.grad = torch.ones(2)
    optimizer.step()
    assert c.tolist() == [0.5, 0.5] and int(optimizer.state[c]["step"]) == 1


def test_what_has_no_default_may_be_given_by_every_group():
    a, b = (torch.nn.Parameter(torch.ones(2)) for _ in "ab")
    optimizer = adapter.SGD([{"params": [a], "lr": 1.0}])
    with pytest.raises(TypeError, match="missing a required argument: 'lr'"):
        optimizer.add_param_group({"params": [b]})
    optimizer.add_param_group({"params": [b], "lr": 0.5})
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    assert a.tolist() == [0, 0] and b.tolist() == [0.5, 0.5]


def test_transforms_that_treat_parameters_together_are_refused():
    for make in (optim.frugal_blocks, lambda lr: optim.chain(optim.sgd(lr))):
        cls = adapter.optimizer_class(make, "Together")
        with pytest.raises(TypeError, match=r"Together .* each parameter alone; .* TransformOptim"):
            cls([torch.nn.Parameter(torch.ones(2, 2))], lr=0.1)


def test_named_parameters():
    model = torch.nn.Linear(2, 1)
    optimizer = adapter.AdamW(model.named_parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


def test_schedulers_change_the_rate():
    params = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = adapter.SGD(params, lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, optim.linear_decay(1.0, 4))
    places = []
    for _ in range(3):
        params[0].grad = -torch.ones(1)
        optimizer.step()
        scheduler.step()
        places.append(params[0].item())
    assert places == [1.0, 1.75, 2.25]
    with pytest.raises(TypeError, match="LambdaLR"):
        adapter.SGD(params, lr=optim.constant(0.1))


def test_a_list_that_is_changed_in_place_takes_effect():
    ends = []
    for betas in ([0.9, 0.99], (0.5, 0.99)):
        params = parameters()
        optimizer = adapter.AdamW(params, lr=0.05, betas=[0.9, 0.99])
        run(optimizer, params, 2)
        if isinstance(betas, list):
            optimizer.param_groups[0]["betas"][0] = 0.5
        else:
            optimizer.param_groups[0]["betas"] = betas
        run(optimizer, params, 2, start=3)
        ends.append(params)
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_momentum_that_begins_and_ends():
    """Beside PyTorch, with hyperparameters changed between steps."""
    ends = []
    for cls in (torch.optim.SGD, adapter.SGD):
        params = parameters(torch.float64)
        optimizer = cls(params, lr=0.1)
        for t, change in enumerate(({}, {"momentum": 0.9}, {"nesterov": True}, {"momentum": 0.5},
                                    {"momentum": 0.0, "nesterov": False}), 1):  # fmt: skip
            optimizer.param_groups[0].update(change)
            run(optimizer, params, 2, start=t)
        ends.append(torch.cat([p.detach().flatten() for p in params]))
        assert not adapter.SGD(params, lr=0.1).state
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=1e-13)
    assert optimizer.state[params[0]].keys() == {"step", "skipped"}


def test_a_change_after_the_last_step_is_saved():
    params = parameters()
    optimizer = adapter.SGD(params, lr=0.1)
    run(optimizer, params, 1)
    optimizer.param_groups[0]["momentum"] = 0.9
    saved = copy.deepcopy(optimizer.state_dict())
    others = [torch.nn.Parameter(p.detach().clone()) for p in params]
    again = adapter.SGD(others, lr=0.1)
    again.load_state_dict(saved)
    run(optimizer, params, 2, start=2)
    run(again, others, 2, start=2)
    assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


def test_what_the_state_depends_on_cannot_change():
    params = parameters()
    optimizer = adapter.EqualBetaAdam(params, lr=0.1, form="moments")
    group = optimizer.param_groups[0]
    group["form"] = "variance"  # there is no state yet
    run(optimizer, params, 1)
    before = [p.detach().clone() for p in params]
    for resumed in (optimizer, pickle.loads(pickle.dumps(optimizer))):
        resumed.param_groups[0]["form"] = "moments"
        mine = resumed.param_groups[0]["params"]
        with pytest.raises(ValueError, match=r"^form cannot change after the first step"):
            run(resumed, mine, 1)
        assert all(torch.equal(p, q) for p, q in zip(mine, before, strict=True))
    group["form"] = "variance"
    run(optimizer, params, 1)


def test_a_tensor_may_be_the_rate():
    params = [torch.nn.Parameter(torch.zeros(1))]
    rate = torch.tensor(0.5)
    optimizer = adapter.SGD(params, lr=rate)
    for expected in (-0.5, -0.75):
        params[0].grad = torch.ones(1)
        optimizer.step()
        assert params[0].item() == expected
        rate.mul_(0.5)


def test_closures():
    params = [torch.nn.Parameter(torch.full((1,), 2.0))]
    optimizer = adapter.SGD(params, lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (params[0] ** 2).sum() / 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert params[0].item() == 1.0


def test_no_gradient_and_bad_gradients():
    a, b, c = (torch.nn.Parameter(torch.ones(2)) for _ in "abc")
    optimizer = adapter.AdamW([a, b, c], lr=0.1)
    a.grad, b.grad = torch.ones(2), torch.tensor([1.0, float("nan")])
    optimizer.step()
    assert c.tolist() == [1, 1] and c not in optimizer.state
    assert b.tolist() == [1, 1]
    assert [int(optimizer.state[b][k]) for k in ("step", "skipped")] == [0, 1]
    assert not torch.any(optimizer.state[b]["mean"])
    assert int(optimizer.state[a]["step"]) == 1
    b.grad = torch.full((2,), 3e38)  # finite, but its norm is not
    optimizer.step()
    assert int(optimizer.state[b]["step"]) == 1
    b.grad = torch.ones(2)
    optimizer.step()
    assert torch.all(torch.isfinite(b))


def test_mixed_dtypes_and_devices_of_the_state():
    params = [torch.nn.Parameter(torch.ones(2, dtype=d)) for d in (torch.bfloat16, torch.float64)]
    optimizer = adapter.AdamW(params, lr=0.125)
    run(optimizer, params, 2)
    assert optimizer.state[params[0]]["mean"].dtype == torch.float32
    assert optimizer.state[params[1]]["mean"].dtype == torch.float64


def test_sparse_gradients_are_refused():
    table = torch.nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    optimizer = adapter.SGD(table.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"must be a full tensor, .*; use its to_dense"):
        optimizer.step()


def test_complex_parameters():
    with pytest.raises(TypeError, match="complex"):
        adapter.AdamW([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))])
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    optimizer = adapter.SGD([p], lr=0.5)
    p.grad = torch.full((2,), 1j)
    optimizer.step()
    assert p.tolist() == [1 - 0.5j] * 2


def test_signatures_and_docstrings_are_real():
    for name in ("AdamW", "Lion", "Adafactor", "SGD"):
        cls = getattr(adapter, name)
        assert cls.__name__ == name and issubclass(cls, torch.optim.Optimizer)
        names = list(inspect.signature(cls).parameters)
        assert names[:2] == ["params", "lr"]
        for parameter in names:
            assert f"{parameter} : " in cls.__doc__
        for section in ("Parameters", "Attributes", "Notes", "References", "Examples"):
            assert f"{section}\n---" in cls.__doc__
    with pytest.raises(TypeError, match="missing a required argument: 'lr'"):
        adapter.SGD([torch.nn.Parameter(torch.ones(1))])
    with pytest.raises(TypeError, match="missing a required argument: 'lr'"):
        adapter.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "momentum": 0.9}])
    with pytest.raises(TypeError, match="momentum"):
        adapter.AdamW([torch.nn.Parameter(torch.ones(1))], momentum=0.9)


def test_no_docstring_promises_a_schedule_in_place_of_the_rate():
    modules = adapter, torch_distributed, torch_lora
    classes = {
        cls
        for module in modules
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
    }
    described = [cls.__doc__ for cls in classes if "\nlr : " in cls.__doc__]
    assert len(described) >= 23
    for text in described:
        kind, rest = text.split("\nlr : ")[1].split("\n", 1)
        said = rest.split("\n")[0]
        assert kind == "float"
        assert said.startswith("    Learning rate") and said[-1] in ".;", said
        assert "schedule" not in said and "function of the number" not in text


def test_steps_of_different_counts_go_together():
    """A parameter that joins later has a bias correction of its own."""
    a, b = (torch.nn.Parameter(torch.zeros(3)) for _ in "ab")
    optimizer = adapter.AdamW([a, b], lr=0.1, weight_decay=0.0)
    a.grad = torch.ones(3)
    optimizer.step()
    b.grad = torch.ones(3)
    optimizer.step()
    np.testing.assert_allclose(b.detach(), -0.1, rtol=1e-6)
    assert [int(optimizer.state[p]["step"]) for p in (a, b)] == [2, 1]


def test_beside_torch_with_schedulers():
    """The whole loop beside PyTorch's own: groups, scheduler, float32."""
    ends = []
    for cls in (torch.optim.AdamW, adapter.AdamW):
        params = parameters(torch.float32)
        groups = [{"params": params[:2], "weight_decay": 0.1}, {"params": params[2:]}]
        optimizer = cls(groups, lr=0.05, weight_decay=0.0)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=30, cycle_momentum=True
        )
        for t in range(1, 30):
            fill(params, t)
            optimizer.step()
            scheduler.step()
        ends.append(torch.cat([p.detach().flatten() for p in params]))
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=5e-6)


@pytest.mark.parametrize(("name", "function", "settings"), CLASSES, ids=IDS)
def test_nothing_is_read_back(name, function, settings):
    """On tensors without values a look at one raises; so it would wait for a GPU."""
    params = [torch.nn.Parameter(torch.empty(4, 3, device="meta")) for _ in range(2)]
    optimizer = getattr(adapter, name)(params, lr=0.1, **settings)
    for p in params:
        p.grad = torch.empty_like(p)
    optimizer.step()
    transform = optim.chain(
        optim.clip_by_global_norm(1.0),
        getattr(optim, function)(optim.cosine(0.1, 10), **settings),
        optim.decoupled_decay(0.1, lr=optim.linear_decay(0.1, 10)),
    )
    grads = [p.grad for p in params]
    updates, state = transform.update(grads, transform.init(params), params)
    assert updates[0].device.type == "meta"
    assert int(state[1]["count"]) == 1  # what schedules look at stays on the host


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        params = parameters()
        optimizer = adapter.AdamW(params)
        run(optimizer, params, 1)
        optimizer.zero_grad()
