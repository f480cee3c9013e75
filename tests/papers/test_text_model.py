"""The text model and its training runs: what is learnt, who gets which weights, and drawings."""

import importlib
import io
import math
from pathlib import Path

import numpy as np
import pytest

from experiments import registry, training_cells
from experiments.study import Context
from figures.style import style

torch = pytest.importorskip("torch")

from experiments import training, training_optimizers  # noqa: E402
from experiments.text_model import Text, Transformer  # noqa: E402

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]
TINY = {"others": 0.01, "width": 8, "layers": 1, "length": 12, "batch": 2, "steps": 4, "every": 2}
STUDIES = ("text_optimizers", "text_betas", "text_precision")


@pytest.fixture(scope="module")
def text():
    return Text(ROOT)


def run(**fields):
    cell = {"lr": 0.02, "seed": 0, **TINY, **fields}
    return [{**cell, **r} for r in training.train(cell, Context("numpy", 0, ROOT))]


def kinds(level):
    """Return a run of each method in each precision of a level of the studies."""
    found = {}
    for name in STUDIES:
        for fields, rates, _ in vars(registry.load(name))[level]["runs"]:
            found[fields["method"], fields.get("precision")] = {**fields, "lr": rates[0]}
    return list(found.values())


def test_text_holds_back_the_last_play(text):
    assert len(text.training) + len(text.validation) == 1_036_475
    spoken = "".join(text.characters[c] for c in text.validation[:40].tolist())
    assert spoken.startswith("THE TEMPEST\n\nby William Shakespeare")
    assert "\f" not in text.characters and len(text.characters) == 76
    inputs, targets = text.held_back(9, 16)
    assert inputs.shape == targets.shape == (9, 16)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert torch.equal(inputs[0], text.validation[:16])
    assert torch.equal(targets[-1], text.validation[-16:])
    generator = torch.Generator().manual_seed(3)
    inputs, targets = text.batch(5, 16, generator)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_model_sees_only_what_came_before():
    model = Transformer(20, width=8, layers=2, heads=2, length=12, seed=1)
    codes = torch.arange(12)[None] % 20
    changed = codes.clone()
    changed[0, 7] = 19
    before, after = model(codes), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert bool((before[:, 7:] != after[:, 7:]).any(-1).all())
    assert not any(name.endswith("bias") for name, _ in model.named_parameters())
    # Nothing is known at first: the loss is that of guessing.
    assert model.loss(codes, codes).item() == pytest.approx(math.log(20), rel=0.1)


def test_every_weight_has_one_optimizer():
    model = Transformer(20, width=8, layers=2, heads=2, length=12)
    matrices = {id(p) for p in model.matrices()}
    blocks = dict(model.blocks.named_parameters())
    assert matrices == {id(p) for name, p in blocks.items() if "before" not in name}
    assert len(matrices) == 12 and len(model.matrices() + model.others()) == len(
        list(model.parameters())
    )
    for method in ("soap", "adamw"):
        optimizers = training_optimizers.make({"method": method, "lr": 1e-3, "others": 0.1}, model)
        groups = [g for o in optimizers for g in o.param_groups]
        held = [id(p) for g in groups for p in g["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters())
        assert [g["lr"] for g in groups] == ([1e-3, 0.1] if method == "soap" else [1e-3])


@pytest.mark.parametrize("fields", kinds("full"), ids=lambda f: "-".join(map(str, f.values())))
def test_every_run_of_the_studies_learns(fields):
    """All start at one loss, which depends on the seed alone, and go down."""
    records = run(**fields)
    assert [r["step"] for r in records] == [0, 2, 4]
    assert [r["last"] for r in records] == [False, False, True]
    start = run(method="adamw", steps=0)[0]["validation_loss"]
    assert records[0]["validation_loss"] == start == pytest.approx(math.log(76), rel=0.02)
    assert records[-1]["validation_loss"] < start


def test_a_seed_decides_a_run():
    first, again, other = (run(method="muon-jordan", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first[0]["validation_loss"] != other[0]["validation_loss"]
    assert training.rate_factor(20)(0) == 0 and training.rate_factor(20)(2) == 1
    assert training.rate_factor(20)(11) == pytest.approx(0.5)


def test_one_thread_for_a_while():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), training.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_torch_muon_makes_the_steps_of_jordan():
    """They differ by bfloat16 alone; another schedule differs by more."""
    ours, theirs, other = (
        run(method=m, steps=8, every=8)[-1]["validation_loss"]
        for m in ("muon-jordan", "torch-muon", "muon-svd")
    )
    assert ours == pytest.approx(theirs, abs=2e-3)
    assert abs(other - ours) > abs(theirs - ours)


def test_estimated_schedule_knows_the_spectrum():
    a = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]
    a = a * torch.logspace(-4, 0, 12)
    exact = torch.linalg.svd(a).U @ torch.linalg.svd(a).Vh

    def error(optimizer_class, **options):
        weight = torch.nn.Parameter(torch.zeros(12, 12))
        weight.grad = a.clone()
        optimizer_class([weight], lr=1.0, **options).step()
        return torch.linalg.matrix_norm(weight.detach() + exact, 2).item()

    fixed = error(training_optimizers.Muon, schedule="jordan")
    assert error(training_optimizers.EstimatedMuon) < fixed


def test_run_that_diverges_says_so():
    records = run(method="sgd", beta1=0.9, lr=1e30)
    assert records[-1]["last"] and records[-1]["validation_loss"] == math.inf


def test_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(training_cells, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"PyTorch.*linalg_ml\[torch\]") as caught:
        registry.load("text_optimizers").plan("quick")
    assert caught.value.name == "torch"


@pytest.mark.figure
@pytest.mark.parametrize("drawing", ["text_optimizers", "text_betas", "text_precision"])
def test_drawing(drawing):
    records = []
    for k, (fields, rates, seeds) in enumerate(registry.load(drawing).quick["runs"]):
        for lr in rates:
            for seed in range(seeds):
                for step in (0, 20, 40):
                    loss = 4 - step / 40 - 0.1 * k + 0.01 * seed + lr
                    records.append({**fields, "lr": lr, "seed": seed, "step": step,
                                    "last": step == 40, "validation_loss": loss})  # fmt: skip
    with style():
        figure = importlib.import_module(f"figures.{drawing}").draw(records)
        figure.savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue()


def test_best_rate_and_bands():
    from figures.text_style import best_rate, final

    records = [{"lr": lr, "seed": s, "last": True, "step": 9, "validation_loss": loss}
               for lr, losses in ((0.1, (1.0, 4.0)), (0.2, (2.0, 2.5))) for s, loss in
               enumerate(losses)]  # fmt: skip
    assert best_rate(records) == 0.2
    assert np.allclose(final(records, "lr")[0.1], [1.0, 4.0])
