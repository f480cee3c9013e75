"""Studies of the networks of deep conjugate directions: cells small enough for a test."""

import importlib
import io
from pathlib import Path

import numpy as np
import pytest

from experiments import registry
from experiments.deep_network_geometry import discs
from experiments.deep_network_runs import box, counts, right_hand_side, solve
from experiments.study import Context
from figures import gallery
from figures.style import style
from linalg_ml.deep_directions import open_cells
from paper_repro import papers

ROOT = Path(__file__).parents[2]
METHODS = ("cg", "multigrid", "linear", "paper-64")
# What these cells show is not what the figures show.
CELLS = {
    "deep_network_loss": [{"network": name} for name in ("paper-64-2d", "linear-2d")],
    "deep_network_sizes": [
        {"method": method, "solids": solids, "dimensions": d, "n": n, "cap": 100}
        for method in METHODS
        for solids in ("none", "neumann", "dirichlet")
        for d, n in ((2, 8), (2, 16), (3, 8))
    ],
    "deep_network_geometry": [
        {"solids": solids, "covered": covered, "n": 16, "draws": 1, "cap": 12}
        for solids in ("dirichlet", "neumann")
        for covered in (0.0, 0.2)
    ],
    "deep_network_precision": [
        {"network": name, "precision": precision, "solids": solids, "rhs": "normal", "n": 16,
         "cap": 60}
        for name in ("paper-64-2d", "linear-2d")
        for precision in ("fp32", "bf16")
        for solids in ("none", "neumann")
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def paper():
    return papers.load("deep_conjugate_directions", registry.names(), gallery.names())


@pytest.fixture(scope="module")
def records():
    """Return the records of each study."""
    return {
        name: [
            {**cell, **record}
            for cell in cells
            for record in registry.load(name).compute(dict(cell), Context("numpy", 0, ROOT))
        ]
        for name, cells in CELLS.items()
    }


def test_counts_are_those_of_solves_that_stop_there():
    a = box(16, "neumann")
    b = right_hand_side(a, "dipole")
    for method in ("cg", "paper-64-2d", "linear-2d:bf16"):
        found = counts(solve(a, b, method, rtol=1e-8, history=True), b)
        for target, taken in found.items():
            assert solve(a, b, method, rtol=target).nit == taken


@pytest.mark.parametrize("covered", [0.0, 0.1, 0.4])
def test_discs_cover_what_is_asked(covered):
    mask = discs(40, covered, np.random.default_rng(0))
    assert covered <= 1 - mask.mean() < covered + 0.05
    np.testing.assert_array_equal(mask, open_cells(mask))


@pytest.mark.figure
@pytest.mark.parametrize("study", CELLS)
def test_drawings(paper, records, study):
    (figure,) = (f for f in paper.figures if f.study == study)
    with style():
        drawn = importlib.import_module(f"figures.{figure.drawing}").draw(records[study])
        drawn.savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue() and gallery.caption(figure.drawing)


def test_fields_of_claims(paper, records):
    for claim in paper.claims:
        if claim.figure.study not in CELLS:
            continue
        fields = {key for record in records[claim.figure.study] for key in record}
        asked = {claim.spec["field"]}
        for table in ("select", "over", "under"):
            asked |= set(claim.spec.get(table, {}))
        assert asked <= fields, claim.id
        assert claim.text.endswith(".")
