"""The study of SOAP: its runs, its memory, its drawing and its claims."""

import io
from pathlib import Path

import pytest

from experiments import registry
from experiments.study import Context
from figures import gallery, soap_frequency
from figures.style import style
from paper_repro import papers

ROOT = Path(__file__).parents[2]
SIZES = {"periods": (1, 10, 60), "rates": (0.03,), "seeds": 1, "steps": 3, "side": 7,
         "widths": "8-4", "batch": 16}  # fmt: skip


@pytest.fixture(scope="module")
def records():
    study = registry.load("soap_frequency")
    return [
        {**cell, **record}
        for cell in study.cells(SIZES)
        for record in study.compute(dict(cell), Context("numpy", 0, ROOT))
    ]


def test_memory_is_what_the_formulas_say(records):
    held = {(r["method"], r["period"]): r["state"] for r in records}
    shapes = [(8, 49), (4, 8), (8, 4), (49, 8)]
    weights = sum(m * n for m, n in shapes)
    assert held["adamw", 0] == pytest.approx(2)
    both = sum(2 * m * m + 2 * n * n + 2 * m * n for m, n in shapes)
    assert held["soap", 10] == pytest.approx(both / weights)
    smaller = sum(2 * min(m, n) ** 2 + 2 * m * n for m, n in shapes)
    assert held["soap-one-sided", 10] == pytest.approx(smaller / weights)
    factored = sum(2 * m * m + 2 * n * n + m * n + m + n for m, n in shapes)
    assert held["soap-factored", 10] == pytest.approx(factored / weights)


def test_drawing_and_claims(records):
    with style():
        soap_frequency.draw(records).savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue() and gallery.caption("soap_frequency")
    fields = {key for record in records for key in record}
    for claim in papers.load("soap", registry.names(), gallery.names()).claims:
        if "cannot_check" not in claim.spec:
            asked = {claim.spec[k] for k in ("field", "against") if k in claim.spec}
            for table in ("select", "over", "under"):
                asked |= set(claim.spec.get(table, {}))
            assert asked <= fields, claim.id
