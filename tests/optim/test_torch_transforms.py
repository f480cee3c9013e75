"""Chains and partitions as optimizers of PyTorch."""

import copy
import io

import numpy as np
import pytest

from linalg_ml import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from linalg_ml.optim.torch import AdamW, TransformOptimizer  # noqa: E402


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))


def train(network, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        (network(torch.ones(2, 3)) - 1).square().sum().backward()
        optimizer.step()


def transform(seen=None):
    def label(path, array):
        if seen is not None:
            seen.add(path)
        return "head" if path.startswith("1.") else "body"

    return optim.chain(
        optim.clip_by_global_norm(1.0),
        optim.partition(
            {"head": optim.adamw(optim.cosine(0.1, 20)), "body": optim.sgd(0.1, momentum=0.9)},
            label,
        ),
    )


def test_names_reach_the_labels():
    seen, network = set(), model()
    optimizer = TransformOptimizer(network.named_parameters(), transform(seen))
    train(network, optimizer, 1)
    assert seen == {"0.weight", "0.bias", "1.weight", "1.bias"}
    seen.clear()
    TransformOptimizer(network.parameters(), transform(seen))
    assert seen == {"0", "1", "2", "3"}


def test_one_transform_is_what_its_class_does():
    ends = []
    for make in (
        lambda params: AdamW(params, lr=0.05),
        lambda params: TransformOptimizer(params, optim.adamw(0.05)),
    ):
        network = model()
        train(network, make(network.parameters()), 5)
        ends.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-6)


def test_a_saved_run_goes_on_bit_for_bit():
    network = model()
    optimizer = TransformOptimizer(network.named_parameters(), transform())
    train(network, optimizer, 3)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(network)
    again = TransformOptimizer(other.named_parameters(), transform())
    again.load_state_dict(torch.load(file))
    copied = copy.deepcopy((network, optimizer))
    for pair in ((network, optimizer), (other, again), copied):
        train(*pair, 3)
    for a, b, c in zip(network.parameters(), other.parameters(), copied[0].parameters()):  # noqa: B905
        assert torch.equal(a, b) and torch.equal(a, c)


def test_a_state_that_does_not_fit_is_refused():
    network = model()
    saved = TransformOptimizer(network.parameters(), transform()).state_dict()
    with pytest.raises(ValueError, match="the loaded state must be a dict"):
        TransformOptimizer(network.parameters(), optim.lion(0.1)).load_state_dict(saved)
    p = torch.nn.Parameter(torch.ones(2))
    q = torch.nn.Parameter(torch.ones(3))
    saved = TransformOptimizer([p], optim.lion(0.1)).state_dict()
    with pytest.raises(ValueError, match=r"'params.0.mean' must have shape \(3,\), got \(2,\)"):
        TransformOptimizer([q], optim.lion(0.1)).load_state_dict(saved)


def test_groups_closures_and_missing_gradients():
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in "pq")
    optimizer = TransformOptimizer([p], optim.sgd(0.5, momentum=0.9))
    p.grad = torch.ones(2)
    assert optimizer.step(lambda: 3.0) == 3.0
    optimizer.add_param_group({"params": [q]})
    optimizer.step()
    state = optimizer.state["transform"]["params"]
    assert int(state["0"]["step"]) == 2 and int(state["1"]["step"]) == 0
    assert q.tolist() == [1, 1]


def test_equal_names_are_refused():
    """The state goes by names, and so does the label of a parameter."""
    a, b = model(), model()
    groups = [{"params": list(network.named_parameters())} for network in (a, b)]
    with pytest.raises(ValueError, match=r"names of parameters must differ, got '0\.weight' twice"):
        TransformOptimizer(groups, optim.sgd(0.1))
    optimizer = TransformOptimizer(groups[:1], optim.sgd(0.1))
    with pytest.raises(ValueError, match="names of parameters must differ"):
        optimizer.add_param_group(groups[1])
    train(a, optimizer, 1)
    assert len(optimizer.param_groups) == 1


def test_a_group_that_is_refused_is_not_kept():
    p, q = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    optimizer = TransformOptimizer([p], optim.muon(0.5))
    with pytest.raises(ValueError, match="at least two axes"):
        optimizer.add_param_group({"params": [q]})
    assert len(optimizer.param_groups) == 1
    p.grad, q.grad = torch.eye(2), torch.ones(2)
    optimizer.step()
    assert q.tolist() == [1, 1] and p[0, 0] < 1


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_hyperparameters_belong_to_the_transform(name):
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match=rf"no hyperparameters of its own, got \['{name}'\]"):
        TransformOptimizer([{"params": [p], name: 0.1}], optim.sgd(0.1))


@pytest.mark.parametrize("types", [(torch.float32, torch.float64), (torch.float64, torch.float32)])
@pytest.mark.parametrize("make", [optim.adamw, optim.soap, optim.shampoo])
def test_a_state_takes_the_type_of_its_parameters(make, types):
    ends = []
    for dtype in types:
        network = model().to(dtype)
        optimizer = TransformOptimizer(network.parameters(), make(0.05))
        if ends:
            optimizer.load_state_dict(ends[0].state_dict())
        for p in network.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        ends.append(optimizer)
    for key, own in ends[1].state["transform"]["params"].items():
        for name, a in own.items():
            counter = name in ("step", "skipped")
            assert a.dtype == (torch.int32 if counter else types[1]), (key, name)
        assert int(own["step"]) == 2
