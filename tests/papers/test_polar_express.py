"""The Polar Express paper: its figures draw, its claims can be looked at, one runs end to end."""

import importlib
import io

import pytest

from experiments import registry
from experiments.polar_gram_stability import rows_of
from experiments.polar_gram_time import forms
from experiments.polar_method_map import cheapest
from experiments.study import Context
from figures import gallery
from figures.style import style
from linalg_ml.matrix_functions.minimax import minimax_polynomial
from paper_repro import claims, papers
from paper_repro.selection import select
from paper_repro.walk import Walk

METHODS = ("newton-schulz", "jordan", "you", "cesista", "published", "optimal-5")
SPECTRAL = ("spectral", "frobenius", "cosine_distance", "top_frobenius", "top_cosine_distance")


@pytest.fixture(scope="module")
def paper():
    return papers.load("polar_express", registry.names(), gallery.names())


def cross(**fields):
    """Return one record for each combination of the values given as lists."""
    records = [{}]
    for key, values in fields.items():
        records = [{**r, key: v} for r in records for v in values]
    return records


def computed(name, cell):
    """Return the records of one cell of a study."""
    return list(registry.load(name).compute(cell, Context("numpy", 0, None)))


def scalar():
    for r in cross(method=[*METHODS, "mixed", "optimal-3"], step=[1, 2, 5, 6]):
        yield {**r, "products": 3 * r["step"], "error": 0.1 ** r["step"], "lower": 1e-3}


def polynomials():
    bounds = {"lower_now": 0.1, "upper_now": 1.0, "lower_next": 0.5, "upper_next": 1.5}
    for r in cross(step=[1, 2], x=[0.0, 1.0, 2.0]):
        yield {**r, "y": r["x"], "worst_error": 0.5, **bounds}


def convergence():
    matrices = ["synthetic", "gpt-embedding-gradient-step0", "gpt-block0-up-gradient-step0"]
    for r in cross(matrix=matrices, method=[*METHODS, "too-low"], step=[1, 5]):
        errors = dict.fromkeys(SPECTRAL, 0.5 ** r["step"])
        yield {**r, "products": 3 * r["step"], "smallest_ratio": 1e-3, **errors}


def stability():
    about = {"next_upper": 1.9, "slope_at_one": 25.0}
    for r in cross(variant=["optimal", "code", "algorithm"], x=[0.0, 0.8, 1.0]):
        yield {**r, "y": r["x"], "inside": r["x"] >= 0.5, **about}


def example():
    methods = ["newton-schulz-3", "repository"]
    for r in cross(n=[64], condition=[1e2, 1e4], method=methods, trial=[0, 1], step=[0, 1]):
        yield {**r, "orthogonality": 0.1 ** r["step"]}


def bf16():
    for r in cross(
        precision=["bf16"], m=[4], variant=["neither", "both"], draw=[0, 1], step=[1, 2]
    ):
        bad = r["variant"] == "neither" and r["draw"] == 0
        yield {**r, "largest": float("inf") if bad else 1.0, "blown_up": bad}


def typical():
    for r in cross(matrix=["gaussian", "decades"], method=[*METHODS[:5], "estimated"]):
        yield {**r, "m": 4, "steps": 5, "error": 1e-9, "spectral": 0.3, "lower": 1e-3}


def complex_plane():
    for method in ("polar-express", "newton-schulz"):
        for angle in (0.1, 1.0, 30.0):
            yield {"method": method, "kind": "map", "angle": angle, "outcome": "+-x+",
                   "least_radius": 0.01}  # fmt: skip
        yield {"method": method, "kind": "point", "angle": 1.0, "radius": 1.0, "converged": True}
    yield {"method": "signm", "kind": "matrix", "angle": 1.0, "radius": 1.0}


def planner():
    for r in cross(aspect=[1, 4], rtol=[1e-2, 1e-6], method=["degree-5", "planned"]):
        for lower in (0.1, 1e-3):
            yield {**r, "lower": lower, "precision": "fp64", "cost": 9.0, "saved": 0.1}


def gram_time():
    intervals = ["direct", "1", "2", "never"]
    for r in cross(steps=[5, 10], m=[4], aspect=[1, 2, 16], restart_every=intervals):
        yield {**r, "ratio": 0.5, "counted": 0.4}


def gram_stability():
    for method, restarted in (
        ("newton-schulz", "before step 6"),
        ("polar-express", "before step 3"),
    ):
        for r in cross(precision=["bf16", "fp16"], m=[4], draw=[0, 1],
                       form=["direct", "never", restarted], step=[1, 2, 3]):  # fmt: skip
            bad = r["form"] == "never" and r["precision"] == "bf16"
            largest = (1.0 if r["draw"] else float("inf")) if r["step"] < 2 else 1e9
            yield {**r, "method": method, "largest": largest if bad else 1.0}


def method_map():
    for r in cross(precision=["fp64", "bf16"], shape=["square", "stack"], condition=[1.5, 1e14],
                   n=[8], method=["polar-express", "cans", "qdwh", "svd"]):  # fmt: skip
        good = r["condition"] < 1e14 or r["precision"] == "fp64"
        cost = None if r["precision"] == "bf16" and r["method"] in ("qdwh", "svd") else 0.9
        yield {
            **r,
            "converged": good,
            "cost": cost,
            "best": good and r["method"] == "polar-express",
        }


def muon():
    for method in ("adamw", "muon-jordan", "muon-polar-express", "muon-estimated"):
        for r in cross(lr=[0.02, 0.04], seed=[0, 1], last=[False, True]):
            yield {**r, "method": method, "step": 5 * r["last"], "validation_loss": 3.0 + r["lr"]}


RECORDS = {
    "text_schedules": muon,
    "polar_planner": planner,
    "polar_gram_time": gram_time,
    "polar_gram_stability": gram_stability,
    "polar_method_map": method_map,
    "polar_products": scalar,
    "polar_scalar": scalar,
    "polar_polynomials": polynomials,
    "polar_convergence": convergence,
    "polar_real": convergence,
    "polar_real_products": convergence,
    "polar_stability": stability,
    "polar_repository_example": example,
    "polar_bf16": bf16,
    "polar_typical": typical,
    "sign_complex": complex_plane,
}


def test_every_drawing_is_tried(paper):
    assert {figure.drawing for figure in paper.figures} == set(RECORDS)


@pytest.mark.figure
@pytest.mark.parametrize("drawing", RECORDS)
def test_drawing(drawing):
    with style():
        figure = importlib.import_module(f"figures.{drawing}").draw(list(RECORDS[drawing]()))
        figure.savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue()
    assert gallery.caption(drawing)


def test_claims_say_where(paper):
    """A number that the paper does not print must say so."""
    for claim in paper.claims:
        assert claim.where and claim.text.endswith("."), claim.id
        marks = ("printed there", "recomputed by us", "our own", "not in the paper", "raw outputs")
        theory = ("Theorem", "Section 3.1", "Appendix J")
        assert any(m in claim.where for m in marks) or claim.where.startswith(theory), claim.id


def test_figures_select_records(paper, tmp_path):
    """What the claims of a cheap study select is there, field by field."""
    study = registry.load("polar_stability")
    records = [
        {**cell, **record}
        for cell in study.plan("quick")
        for record in study.compute(cell, Context("numpy", 0, tmp_path))
    ]
    for claim in paper.claims:
        if claim.figure.study == "polar_stability":
            outcome = claims.check(claim, select(records, claim.figure.select), "quick", "numpy")
            assert outcome.status in (claims.PASSED, claims.KNOWN), outcome


@pytest.mark.figure
def test_one_figure_end_to_end(tmp_path, paper):
    from experiments.run import Conditions

    walk = Walk(tmp_path / "records", tmp_path / "gallery")
    report = walk.run(["polar_polynomials"], Conditions("quick", "numpy", 0))
    assert report.exit_status == 0, report
    assert {o.claim.id for o in report.outcomes} == {
        c.id for c in paper.claims if c.figure.id == "polynomials"
    }
    made = {p.name for p in (tmp_path / "gallery" / "polar_express").iterdir()}
    assert made == {f"polynomials.{ending}" for ending in ("csv", "json", "png", "svg")}


def test_exponent_of_the_error_bound():
    """The exponent (q+1)^T of Theorem 3.3 holds, the (d+1)^T of its proof does not."""
    error = minimax_polynomial(0.9, 1.0, 5).error
    assert (1 - 0.9**2) ** 6 < error < (1 - 0.9**2) ** 3


def test_forms_of_the_gram_path():
    """The restart intervals that are timed; what leaves no room for a restart is left out."""
    five, ten = (forms(steps) for steps in (5, 10))
    assert list(five) == ["direct", "1", "2", "3", "never"] and list(ten)[4:] == ["5", "never"]
    assert five["direct"].restarts is None and five["never"].restarts == ()
    assert five["1"].restarts == (1, 2, 3, 4) and ten["3"].restarts == (3, 6, 9)
    (cell, *_) = registry.load("polar_gram_time").plan("quick")
    small = {**cell, "m": 16, "aspect": 4, "steps": 5, "rounds": 1}
    records = {r["restart_every"]: r for r in computed("polar_gram_time", small)}
    assert records["direct"]["ratio"] == records["direct"]["counted"] == 1
    # Products: 5 (1 + 2 4) in the direct form, 4 5 - 3 + 2 4 in the other.
    assert records["never"]["counted"] == pytest.approx(25 / 45)
    assert records["1"]["counted"] == pytest.approx(1)
    assert all(r["difference"] < 1e-3 and r["ratio"] > 0 for r in records.values())


def test_stability_follows_the_polynomials():
    """In double precision every form does what the polynomials do in exact arithmetic."""
    for method, steps in (("newton-schulz", 10), ("polar-express", 5)):
        cell = {"method": method, "precision": "fp64", "m": 24, "draw": 0}
        records = computed("polar_gram_stability", cell)
        assert {r["step"] for r in records} == set(range(1, steps + 1))
        assert max(r["error"] for r in records) < 1e-9
        assert all(r["largest"] == pytest.approx(r["exact"], rel=1e-6) for r in records)
    first = (1.875 / 1.02, -1.25 / 1.02**3, 0.375 / 1.02**5)
    assert rows_of("newton-schulz").coefficients[0] == pytest.approx(first, rel=1e-14)
    blown = computed("polar_gram_stability", {**cell, "precision": "bf16"})
    last = {r["form"]: r["largest"] for r in blown if r["step"] == steps}
    assert last["never"] > 1e3 and last["direct"] < 1.2


@pytest.mark.parametrize("precision", ["fp64", "bf16"])
def test_map_lets_only_what_converged_compete(precision):
    cell = {"precision": precision, "shape": "wide 1:4", "condition": 10.0, "n": 32, "rounds": 1}
    records = computed("polar_method_map", cell)
    best = [r for r in records if r["best"]]
    assert best and all(r["status"] == "CONVERGED" for r in best)
    competing = [r["cost"] for r in records if r["converged"] and r["cost"] is not None]
    assert {r["cost"] for r in best} == {min(competing)}
    without = {r["method"] for r in records if r["cost"] is None}
    assert without == ({"qdwh", "zolotarev", "newton", "svd"} if precision == "bf16" else set())
    assert all(r["error_over_bound"] < 50 for r in records if r["converged"])
    assert cheapest({"cans": 0.1, "svd": 1.0, "gram": 1.0}, ["svd", "qdwh", "gram"]) == [
        "svd",
        "gram",
    ]
    assert cheapest({"cans": 0.1}, ["svd"]) == []
    hopeless = computed("polar_method_map", {**cell, "precision": "bf16", "condition": 1e14})
    assert not any(r["best"] or r["converged"] for r in hopeless)
