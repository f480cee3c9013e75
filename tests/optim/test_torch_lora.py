"""Adapters in PyTorch: the layer, and optimizers with groups, schedulers and saved states."""

import copy
import io

import numpy as np
import pytest

from linalg_ml import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from linalg_ml.optim import torch_lora  # noqa: E402
from linalg_ml.optim.torch_lora import LoRALinear, add_lora, merge_lora  # noqa: E402

CLASSES = {
    "AdaPreLoRA": (optim.adaprelora, {}),
    "ScaledAdam": (optim.scaled_adam, {"betas": (0.9, 0.98)}),
    "LoRAPro": (optim.lora_pro, {"weight_decay": 0.1}),
    "LoRARITE": (optim.lora_rite, {}),
}


def network(rank=2, dtype=torch.float64, **options):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    return add_lora(net.to(dtype), rank, **options)


def loss_of(net, t=0):
    dtype = next(net.parameters()).dtype
    x = torch.sin(torch.arange(40, dtype=torch.float64) + t).reshape(8, 5).to(dtype)
    y = torch.cos(torch.arange(24, dtype=torch.float64)).reshape(8, 3).to(dtype)
    return (net(x) - y).square().mean()


def train(net, optimizer, first, last):
    for t in range(first, last + 1):
        optimizer.zero_grad()
        loss_of(net, t).backward()
        optimizer.step()


def test_the_layer():
    torch.manual_seed(0)
    base = torch.nn.Linear(7, 4)
    layer = LoRALinear(base, 3, alpha=6.0)
    x = torch.randn(2, 5, 7)
    assert layer.scaling == 2.0 and torch.equal(layer(x), base(x))
    assert layer.A.abs().max() <= 7**-0.5 and not layer.B.any()
    with torch.no_grad():
        layer.B.normal_()
    expected = base(x) + 2 * x @ (layer.B @ layer.A).T
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.merged()(x), expected)
    layer(x).square().sum().backward()
    assert base.weight.grad is None and layer.A.grad is not None
    plain = LoRALinear(torch.nn.Linear(3, 2, bias=False, dtype=torch.bfloat16), 1)
    assert plain.A.dtype == torch.bfloat16 and plain.merged().bias is None
    assert "rank=3, scaling=2" in repr(layer)
    with pytest.raises(TypeError, match="base must be Linear"):
        LoRALinear(torch.nn.ReLU(), 2)
    with pytest.raises(ValueError, match="rank must be at least 1"):
        LoRALinear(base, 0)


def test_adding_and_merging():
    net = network(where=lambda name, layer: name == "2")
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["2.A", "2.B"]
    train(net, torch_lora.AdaPreLoRA(net, lr=0.05), 1, 3)
    before = loss_of(net).item()
    merge_lora(net)
    assert not any(isinstance(m, LoRALinear) for m in net.modules())
    assert abs(loss_of(net).item() - before) < 1e-12
    with pytest.raises(ValueError, match="got none"):
        add_lora(torch.nn.Sequential(torch.nn.ReLU()), 2)


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 4, dtype=torch.float64)
        self.b = self.a

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


def test_tied_layers_stay_tied():
    net, x = Tied(), torch.randn(3, 4, dtype=torch.float64)
    add_lora(net, 2, where=lambda name, layer: name == "b")
    assert isinstance(net.a, LoRALinear) and net.b is net.a
    net.a.B.data.normal_()
    expected = net(x)
    assert merge_lora(net) is net and type(net.a) is torch.nn.Linear and net.b is net.a
    torch.testing.assert_close(net(x), expected)


def test_merging_what_is_an_adapter_itself():
    layer = LoRALinear(torch.nn.Linear(5, 4), 2)
    layer.B.data.normal_()
    merged, x = merge_lora(layer), torch.randn(3, 5)
    assert type(merged) is torch.nn.Linear
    torch.testing.assert_close(merged(x), layer(x))


def test_adding_twice():
    net = network(where=lambda name, layer: name == "0")
    first = net[0]
    add_lora(net, 1)
    assert net[0] is first and net[2].A.shape[0] == 1
    learned = [name for name, p in net.named_parameters() if p.requires_grad]
    assert learned == ["0.A", "0.B", "2.A", "2.B"]
    with pytest.raises(ValueError, match=r"without an adapter .* got none"):
        add_lora(net, 2)
    merge_lora(net)
    assert [type(layer) for layer in net] == [torch.nn.Linear, torch.nn.Tanh, torch.nn.Linear]


def test_layers_that_read_the_weight():
    torch.manual_seed(0)
    encoder = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    add_lora(encoder, 2, keep_gradient=True)
    attention = encoder.self_attn
    attention.out_proj = LoRALinear(attention.out_proj, 2, keep_gradient=True)
    adapters = [m for m in encoder.modules() if isinstance(m, LoRALinear)]
    for layer in adapters:
        layer.B.data.normal_()
    x = torch.randn(3, 5, 8)
    expected = encoder(x)
    expected.square().sum().backward()
    for layer in adapters:
        torch.testing.assert_close(layer.B.grad, layer.base.weight.grad @ layer.A.T)
    encoder.eval()
    with torch.no_grad():  # PyTorch's path for inference
        torch.testing.assert_close(encoder(x), expected)
    torch.testing.assert_close(merge_lora(encoder)(x), expected)


@pytest.mark.parametrize("name", CLASSES)
def test_the_class_makes_the_steps_of_the_function(name):
    function, settings = CLASSES[name]
    net = network(alpha=4.0)
    optimizer = getattr(torch_lora, name)(net, lr=0.02, **settings)
    if name in ("AdaPreLoRA", "LoRAPro"):
        settings = {**settings, "scaling": 2.0}
    transform = function(0.02, **settings)
    ours = {k: {f: getattr(net[k], f).detach().clone() for f in "AB"} for k in (0, 2)}
    state = transform.init(ours)
    for t in range(4):
        optimizer.zero_grad()
        loss_of(net, t).backward()
        grads = {k: {f: getattr(net[k], f).grad.clone() for f in "AB"} for k in (0, 2)}
        optimizer.step()
        updates, state = transform.update(grads, state, ours)
        ours = optim.apply_updates(ours, updates)
    for k in (0, 2):
        for f in "AB":
            np.testing.assert_allclose(getattr(net[k], f).detach(), ours[k][f], atol=1e-13)


@pytest.mark.parametrize("name", CLASSES)
def test_autocast_does_not_reach_the_step(name):
    nets = []
    for inside in (False, True):
        net = network(dtype=torch.float32)
        optimizer = getattr(torch_lora, name)(net, lr=0.02, **CLASSES[name][1])
        for t in range(3):
            optimizer.zero_grad()
            loss_of(net, t).backward()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=inside):
                optimizer.step()
        nets.append(net)
    assert all(torch.equal(a, b) for a, b in zip(*(n.parameters() for n in nets), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_a_saved_run_goes_on_bit_for_bit(name, dtype):
    make, net = getattr(torch_lora, name), network(dtype=dtype)
    optimizer = make(net, lr=0.02, **CLASSES[name][1])
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 8)
    train(net, optimizer, 1, 3)
    schedule.step()
    other, file = copy.deepcopy(net), io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    again = make(other, lr=0.7)
    again.load_state_dict(torch.load(file))
    assert again.param_groups[0]["lr"] < 0.02
    train(net, optimizer, 4, 6)
    train(other, again, 4, 6)
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
    if name == "LoRAPro":  # whose state does not know the rank
        return
    with pytest.raises(ValueError, match="arrays of shapes"):
        make(network(rank=1, dtype=dtype), lr=0.02).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("name", CLASSES)
def test_a_loaded_state_takes_the_type_of_its_pair(name):
    for types in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
        nets = [network(dtype=dtype) for dtype in types]
        optimizer, again = (getattr(torch_lora, name)(net, lr=0.1) for net in nets)
        train(nets[0], optimizer, 1, 2)
        again.load_state_dict(optimizer.state_dict())
        for state in again.state.values():
            for key, a in state.items():
                counter = key in ("step", "skipped")
                assert a.dtype == (torch.int32 if counter else types[1]), key
        train(nets[1], again, 3, 4)


@pytest.mark.parametrize(("name", "before", "after"), [
    ("ScaledAdam", (0.9, 0.99), None), ("LoRAPro", None, (0.9, 0.99)),
    ("AdaPreLoRA", (0.9, 0.99), (0.0, 0.99)),
])  # fmt: skip
def test_moments_cannot_begin_or_end(name, before, after):
    net = network()
    optimizer = getattr(torch_lora, name)(net, lr=0.1, betas=before)
    train(net, optimizer, 1, 1)
    optimizer.param_groups[0]["lr"] = 0.2
    train(net, optimizer, 2, 2)
    optimizer.param_groups[0]["betas"] = after
    with pytest.raises(ValueError, match=r"betas cannot change after the first step, from"):
        train(net, optimizer, 3, 3)


def test_groups_scalings_and_pairs():
    one, two = LoRALinear(torch.nn.Linear(3, 4), 1, alpha=3.0), LoRALinear(torch.nn.Linear(3, 4), 1)
    optimizer = torch_lora.AdaPreLoRA([one, two], lr=0.1)
    assert [group["scaling"] for group in optimizer.param_groups] == [3.0, 1.0]
    optimizer = torch_lora.LoRARITE([one, two], lr=0.1)
    assert [len(group["params"]) for group in optimizer.param_groups] == [4]
    groups = [{"params": one, "lr": 0.5}, {"params": [(two.A, two.B)], "scaling": 7.0}]
    optimizer = torch_lora.LoRAPro(groups, lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert [group["scaling"] for group in optimizer.param_groups] == [3.0, 7.0]
    for params, error in (
        ([one.A, one.B], TypeError),
        ([(one.B, one.A)], ValueError),
        ([torch.nn.ReLU()], ValueError),
    ):
        with pytest.raises(error):
            torch_lora.AdaPreLoRA(params)


def kept(net):
    return [(net[k].base.weight.grad, net[k].A.grad, net[k].B.grad) for k in (0, 2)]


def test_gradients_of_products():
    net = network(keep_gradient=True)
    start = copy.deepcopy(net.state_dict())
    optimizer = torch_lora.AdaPreLoRA(net, lr=0.02, statistics="full")
    train(net, optimizer, 1, 2)
    for k in (0, 2):
        assert torch.equal(net[k].base.weight, start[f"{k}.base.weight"])
        assert not torch.equal(net[k].B, start[f"{k}.B"])
    for forget in (optimizer.zero_grad, net.zero_grad):
        forget()
        assert all(g is None for grads in kept(net) for g in grads)
    for t in range(2):  # accumulated
        loss_of(net, t).backward()
    for layer, (whole, grad_a, grad_b) in zip((net[0], net[2]), kept(net), strict=True):
        torch.testing.assert_close(grad_b, whole @ layer.A.T)
        torch.testing.assert_close(grad_a, layer.B.T @ whole)
    plain = network()
    with pytest.raises(ValueError, match="grads must hold 'W'"):
        train(plain, torch_lora.AdaPreLoRA(plain, lr=0.02, statistics="full"), 1, 1)


@pytest.mark.parametrize("forget", ["None", "zero", "optimizer"])
def test_gradients_of_products_do_not_outlive_those_of_the_factors(forget):
    net = network(keep_gradient=True)
    optimizer = torch_lora.AdaPreLoRA(net, lr=0.02, statistics="full")
    norms = []
    for _ in range(3):
        if forget == "optimizer":
            optimizer.zero_grad()
        else:
            net.zero_grad(set_to_none=forget == "None")
        loss_of(net).backward()
        norms.append([float(whole.norm()) for whole, _, _ in kept(net)])
    assert norms[0] == norms[1] == norms[2]


def test_gradients_of_products_are_scaled_with_those_of_the_factors():
    net = network(keep_gradient=True)
    optimizer = torch_lora.AdaPreLoRA(net, lr=0.02, statistics="full")
    loss_of(net).backward()
    plain = [tuple(g.clone() for g in grads) for grads in kept(net)]
    for params in (net.parameters(), (p for g in optimizer.param_groups for p in g["params"])):
        net.zero_grad()
        loss_of(net).backward()
        size = torch.nn.utils.clip_grad_norm_(params, 0.1)
        for found, grads in zip(kept(net), plain, strict=True):
            torch.testing.assert_close(found, tuple(0.1 / (size + 1e-6) * g for g in grads))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    net.zero_grad()
    scaler.scale(loss_of(net)).backward()
    scaler.unscale_(optimizer)
    for found, grads in zip(kept(net), plain, strict=True):
        torch.testing.assert_close(found, grads)


def test_gradients_of_products_in_groups_and_states():
    net = network(keep_gradient=True)
    both = [net[0], LoRALinear(torch.nn.Linear(5, 6), 2)]
    optimizer = torch_lora.AdaPreLoRA(both, lr=0.02)
    assert [len(group["params"]) for group in optimizer.param_groups] == [3, 2]
    triples = [(layer.A, layer.B, layer.base.weight) for layer in (net[0], net[2])]
    one, two = (
        torch_lora.AdaPreLoRA(params, lr=0.02, statistics="full") for params in (net, triples)
    )
    train(net, one, 1, 1)
    two.load_state_dict(one.state_dict())
    assert torch.equal(two.state[net[0].A]["rows"], one.state[net[0].A]["rows"])
    pairs = [(net[0].A, net[0].B), (net[2].A, net[2].B), (both[1].A, both[1].B)]
    with pytest.raises(ValueError, match="keep_gradient"):
        torch_lora.AdaPreLoRA(pairs, lr=0.02).load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="must have shape"):
        torch_lora.AdaPreLoRA([(net[0].A, net[0].B, net[2].base.weight)])


def test_weights_of_two_layers_keep_no_gradient():
    net = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9))
    net[1].weight = net[0].weight
    with pytest.raises(ValueError, match=r"keep_gradient .* '1' shares"):
        add_lora(net, 2, keep_gradient=True)
    assert type(net[1]) is torch.nn.Linear and net[0].weight.requires_grad
    assert isinstance(add_lora(net, 2)[1], LoRALinear)


@pytest.mark.parametrize("rates", [(0.05, 0.05), (0.05, 0.01)])
def test_lora_rite_clips_all_groups_together(rates):
    settings = {"clip": 0.01, "skip_above": None, "eps": 1.0}  # so large that sizes matter
    nets, moved = [network(), network()], []
    for net in nets:
        for layer in (net[0], net[2]):
            torch.nn.init.normal_(layer.B, generator=torch.Generator().manual_seed(0))
    groups = [{"params": nets[1][k], "lr": lr} for k, lr in zip((0, 2), rates, strict=True)]
    for net, params in zip(nets, (nets[0], groups), strict=True):
        optimizer = torch_lora.LoRARITE(params, lr=rates[0], **settings)
        before = [net[k].B.detach().clone() for k in (0, 2)]
        train(net, optimizer, 1, 1)
        moved.append([net[k].B.detach() - b for k, b in zip((0, 2), before, strict=True)])
    for one, two, rate in zip(*moved, rates, strict=True):
        torch.testing.assert_close(one * (rate / rates[0]), two)


def test_missing_and_bad_gradients():
    net = network()
    optimizer = torch_lora.AdaPreLoRA(net, lr=0.02)
    before = copy.deepcopy(net.state_dict())
    optimizer.step()
    assert not optimizer.state
    loss_of(net).backward()
    net[0].B.grad[0, 0] = float("nan")
    optimizer.step()
    assert torch.equal(net[0].B, before["0.B"]) and not torch.equal(net[2].B, before["2.B"])
    assert [int(optimizer.state[net[k].A]["skipped"]) for k in (0, 2)] == [1, 0]
    net[0].A.grad = None
    with pytest.raises(ValueError, match="pair 0 of group 0 has a gradient for one factor alone"):
        optimizer.step()


def test_partitions_reach_adapters_by_their_names():
    net = network()
    head = torch.nn.Linear(3, 3, dtype=torch.float64)
    whole = torch.nn.Sequential(net, head)
    transform = optim.partition(
        {"pairs": optim.adaprelora(0.02), "rest": optim.adamw(0.01), "frozen": None},
        lambda path, array: (
            "frozen" if ".base." in path else "pairs" if path.endswith((".A", ".B")) else "rest"
        ),
    )
    optimizer = optim.torch.TransformOptimizer(whole.named_parameters(), transform)
    other = network()
    train(other, torch_lora.AdaPreLoRA(other, lr=0.02), 1, 1)
    optimizer.zero_grad()
    loss_of(net, 1).backward()
    optimizer.step()
    torch.testing.assert_close(net[0].B, other[0].B)
    torch.testing.assert_close(net[2].B, other[2].B)


def test_fine_tuning():
    """The task: a change of rank one in the first of two trained layers."""
    torch.manual_seed(0)
    teacher = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    start = copy.deepcopy(teacher)
    with torch.no_grad():
        teacher[0].weight += 0.4 * torch.randn(8, 1) @ torch.randn(1, 6)
    x = torch.randn(64, 6)
    y = teacher(x).detach()
    for name, (_, settings) in CLASSES.items():
        torch.manual_seed(1)
        net = add_lora(copy.deepcopy(start), 1, where=lambda name, layer: name == "0")
        optimizer = getattr(torch_lora, name)(net, lr=0.05, **settings)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 25)
        losses = []
        for _ in range(25):
            optimizer.zero_grad()
            loss = (net(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        assert losses[-1] < 0.4 * losses[0], (name, losses[0], losses[-1])
