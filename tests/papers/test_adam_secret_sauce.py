"""The toy of the paper on equal decay rates: its problems, its runs, its claims and drawings."""

import importlib
import io

import numpy as np
import pytest

from experiments import registry
from experiments.equal_betas_toy import BLOCKS, factor
from experiments.study import Context
from figures import gallery
from figures.style import style
from paper_repro import claims, papers


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the records of the quick runs that the figure draws, unsoftened and softest."""
    study, context = registry.load("equal_betas_toy"), Context("numpy", 0, None)
    return [
        {**cell, **record}
        for cell in study.plan("quick")
        if cell["mollifier"] in (0.0, 0.1) and cell["lr"] not in (3e-5, 1e-4, 3e-3)
        for record in study.compute({**cell, "every": 50}, context)
    ]


@pytest.mark.parametrize("landscape", BLOCKS)
def test_landscapes_have_the_same_eigenvalues(landscape, rng):
    x = factor(landscape, rng)
    h = x @ x.T / 9
    expected = sorted(v for block in BLOCKS["heterogeneous"] for v in block)
    assert np.allclose(np.linalg.eigvalsh(h), expected)
    for k, values in enumerate(BLOCKS[landscape]):
        block = slice(3 * k, 3 * k + 3)
        assert np.allclose(np.linalg.eigvalsh(h[block, block]), sorted(values))
        assert np.abs(h[block, block] - np.diag(np.diag(h[block, block]))).max() > 0.01
        h[block, block] = 0
    assert np.all(h == 0)


def by_formulas(method, cell, context, draw):
    """Return the losses on the way of one draw, from the formulas, one entry after the other."""
    x = factor(cell["landscape"], context.rng("rotations"))
    rng = context.rng("batches", draw)
    w, m, d = np.ones(9), np.zeros(9), np.zeros(9)
    losses = [0.5 * w @ x @ x.T @ w / 9]
    for k in range(cell["steps"]):
        chosen = rng.choice(9, 3, replace=False)
        g = sum(x[:, j] * (x[:, j] @ w) for j in chosen) / 3
        warm = cell["steps"] // 20
        turn = np.pi * (k - warm) / (cell["steps"] - warm)
        rate = cell["lr"] * (k / warm if k < warm else (1 + np.cos(turn)) / 2)
        d = 0.95 * d + 0.95 * 0.05 * (m - g) ** 2
        m = g if method == "sgd" and k == 0 else 0.95 * m + 0.05 * g
        step = {"sgd": m, "signum": np.sign(m), "adam": m / (np.sqrt(m**2 + d) + 1e-8)}[method]
        w = w - rate * step
        losses.append(0.5 * w @ x @ x.T @ w / 9)
    return losses


@pytest.mark.parametrize("method, lr", [("sgd", 1e-4), ("signum", 0.01), ("adam", 0.01)])
def test_runs_follow_the_formulas(method, lr):
    cell = {"landscape": "heterogeneous", "method": method, "lr": lr, "mollifier": 0.0,
            "steps": 60, "every": 20, "draws": 3}  # fmt: skip
    context = Context("numpy", 0, None)
    found = list(registry.load("equal_betas_toy").compute(cell, context))
    losses = np.array([by_formulas(method, cell, context, draw) for draw in range(3)])
    for record in found:
        expected = np.quantile(losses[:, record["step"]], (0.25, 0.5, 0.75))
        given = [record[name] for name in ("loss_low", "loss", "loss_high")]
        assert np.allclose(given, expected, rtol=1e-9)
    assert found[-1]["last"] and ("noise_2" in found[-1]) == (method == "adam")


def test_claims_of_the_toy(records):
    paper = papers.load("adam_secret_sauce", registry.names(), gallery.names())
    checked = [c for c in paper.claims if c.figure.id == "toy"]
    assert len(checked) == 5
    for claim in checked:
        assert claims.check(claim, records, "quick", "numpy").status == claims.PASSED, claim.id


@pytest.mark.figure
def test_drawing(records):
    with style():
        figure = importlib.import_module("figures.equal_betas_toy").draw(records)
        figure.savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue() and gallery.caption("equal_betas_toy")
