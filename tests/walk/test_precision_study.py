"""The precision study: its table of rows, its records, its drawings and its claims."""

import csv
import dataclasses
import io
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import precision, precision_matrices, precision_rows, precision_table, registry
from experiments.precision_rows import polar, sign
from experiments.progress import Progress
from experiments.run import ROOT, Conditions, Plan
from experiments.study import Context
from figures import gallery
from paper_repro import papers

# The smallest module that brings a family of its own, as the README tells it.
MODULE = """
import numpy as np

from experiments.precision_table import STATUS, Family, Metric, Row
from linalg_ml import round_to

problems = [
    {"problem": f"diagonal-{c:.0e}", "source": "synthetic", "condition": c} for c in (1.0, 1e3)
]


def load(parameters, context):
    return np.diag(np.geomspace(1, 1 / parameters["condition"], 4))


def run(a, precision):
    rounded = a if precision.name == "fp64" else round_to(a, precision.name)
    x = np.linalg.solve(rounded, a @ np.ones(4))
    return {
        "relative_residual": float(np.linalg.norm(rounded @ x - a @ np.ones(4))),
        "forward_error": float(np.linalg.norm(x - 1)),
        "status": "CONVERGED",
    }


FAMILY = Family(
    name="toy",
    problems={"quick": problems, "full": problems},
    load=load,
    describe=lambda problem, precision: {},
    metrics=(
        Metric("relative_residual", "check", "Small."),
        Metric("forward_error", "error", "Larger."),
        STATUS,
    ),
)
ROWS = [Row("direct", FAMILY, run)]
"""


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """Put one more module of rows where the study finds them."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "toy.py").write_text(MODULE)
    monkeypatch.setattr(
        precision_rows, "__path__", [*precision_rows.__path__, str(tmp_path / "rows")]
    )
    yield
    sys.modules.pop("experiments.precision_rows.toy", None)
    vars(precision_rows).pop("toy", None)


def cell(problem, family="polar"):
    (found,) = (
        p
        for p in precision_table.problems("quick")
        if (p["family"], p["problem"]) == (family, problem)
    )
    return found


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Run three problems through the real machinery."""
    cells = [
        cell("geometric-64x64-1e+03-0"),
        cell("geometric-64x64-1e+03-0", "sign"),
        cell("geometric-64x64-1e+12-0"),
    ]
    study = dataclasses.replace(precision.STUDY, cells=lambda parameters: cells)
    folder = tmp_path_factory.mktemp("records")
    run = Plan(study, Conditions(), folder).run(Progress(io.StringIO()))
    assert run.computed == len(cells)
    return run.records


def of(records, **wanted):
    return [r for r in records if all(r[k] == v for k, v in wanted.items())]


# The table ------------------------------------------------------------------------------------


def test_study_is_found():
    assert "precision" in registry.names()
    assert registry.load("precision") is precision.STUDY


def test_every_method_has_a_row():
    from linalg_ml.matrix_functions.polar import POLAR_METHODS
    from linalg_ml.matrix_functions.sign import SYMMETRIC_METHODS

    for module, methods in ((polar, POLAR_METHODS), (sign, SYMMETRIC_METHODS)):
        solvers = {row.solver for row in module.ROWS}
        assert solvers >= set(methods)
        assert all(row.precisions == tuple(precision_table.PRECISIONS) for row in module.ROWS)
    assert {row.family.name for row in precision_table.rows()} >= {"polar", "sign"}


def test_a_new_module_enters_the_table(newcomer):
    assert [r.solver for r in precision_table.rows() if r.family.name == "toy"] == ["direct"]
    cells = [c for c in precision.STUDY.plan("quick") if c["family"] == "toy"]
    assert [c["condition"] for c in cells] == [1.0, 1e3]
    made = list(precision.compute(cells[1], Context("numpy", 0, None)))
    assert [r["precision"] for r in made] == list(precision_table.PRECISIONS)
    assert {(r["check"], r["error"]) for r in made} == {("relative_residual", "forward_error")}
    assert of(made, precision="bf16")[0]["forward_error"] > 1e-4
    assert of(made, precision="fp64")[0]["relative_residual"] == 0  # no trouble on a log axis
    drawn = gallery.render("precision", [{**cells[1], **r} for r in made])
    assert drawn["svg"].startswith(b"<?xml")


def test_the_examples_of_the_readme(tmp_path, monkeypatch):
    readme = (ROOT / "paper_repro" / "precision" / "README.md").read_text()
    names = []
    for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
        names.append(Path(text.split(maxsplit=2)[1]).stem)  # the first line names the file
        (tmp_path / f"{names[-1]}.py").write_text(text)
    monkeypatch.setattr(precision_rows, "__path__", [*precision_rows.__path__, str(tmp_path)])
    try:
        solvers = {(row.family.name, row.solver) for row in precision_table.rows()}
    finally:
        for name in names:
            sys.modules.pop(f"experiments.precision_rows.{name}", None)
            vars(precision_rows).pop(name, None)
    assert {("polar", "auto"), ("cg", "cg")} <= solvers


def test_rows_and_families_have_names_of_their_own(newcomer, monkeypatch):
    monkeypatch.setattr(
        sign, "ROWS", [*sign.ROWS, sign.ROWS[0].__class__("eigh", sign.FAMILY, len)]
    )
    with pytest.raises(ValueError, match="two rows 'eigh' of family 'sign'"):
        precision_table.rows()
    twin = dataclasses.replace(polar.FAMILY)
    monkeypatch.setattr(sign, "ROWS", [precision_table.Row("svd", twin, len)])
    with pytest.raises(ValueError, match="two families 'polar'"):
        precision_table.rows()


def test_a_row_must_give_the_metrics_of_its_family(newcomer):
    row = next(r for r in precision_table.rows() if r.family.name == "toy")
    poor = dataclasses.replace(row, run=lambda a, precision: {"forward_error": 0.0})
    with pytest.raises(ValueError, match="differ in relative_residual, status"):
        precision_table.record(poor, np.eye(4), "fp32")


@pytest.mark.parametrize("kind", [precision_table.Row, precision_table.Metric])
def test_misspelt_words_are_refused(kind):
    with pytest.raises(ValueError, match="must be one of"):
        kind("a", "b", "c", **({"kind": "solved"} if kind is precision_table.Row else {}))


# The problems ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [polar.FAMILY, sign.FAMILY])
def test_answers_are_exact(family):
    for parameters in family.problems["quick"]:
        if parameters["rows"] * parameters["columns"] > 128 * 128:
            continue
        problem = family.load(parameters, Context("numpy", 0, None))
        assert problem.a.shape == (parameters["rows"], parameters["columns"])
        assert problem.orthogonality(problem.exact) < 1e-14
        h = problem.exact.T @ problem.a
        values = np.linalg.eigvalsh((h + h.T) / 2)
        assert values[0] > -1e-12 * values[-1]
        if parameters["source"] == "synthetic":
            assert problem.condition == parameters["condition"]
            assert problem.rank == 64
        if problem.condition <= 1e4:  # beyond, errors of size one do not compare
            assert problem.floors["fp32"] < problem.floors["fp16"] < problem.floors["bf16"]


def test_null_directions_do_not_count():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((6, 4)) @ np.diag([1.0, 1, 1, 0]) @ rng.standard_normal((4, 9))
    directions, condition = precision_matrices._left_vectors(a, 1e-7)
    assert directions.shape == (6, 3)
    assert condition < 1e3
    p, _, qt = np.linalg.svd(a, full_matrices=False)
    one, other = p[:, :3] @ qt[:3], p @ np.diag([1, 1, 1, -1, 1, 1]) @ qt
    problem = precision_matrices.MatrixProblem(a, p @ qt, directions, condition, 0.0, {})
    for x in (one, other):  # two factors that differ in the null directions alone
        assert problem.error(x) < 1e-12
        assert problem.orthogonality(x) < 1e-12
    assert problem.error(-one) == pytest.approx(2)


# The records ----------------------------------------------------------------------------------


def test_every_row_in_every_precision(records):
    for family, rows in (("polar", polar.ROWS), ("sign", sign.ROWS)):
        made = of(records, family=family, condition=1e3)
        assert len(made) == len(rows) * len(precision_table.PRECISIONS)
        assert {r["solver"] for r in made} == {row.solver for row in rows}
        assert {r["error"] for r in made} == {f"{family}_error"}
    # Only double precision can tell a condition number of 1e12 from infinity.
    assert {r["precision"] for r in of(records, condition=1e12)} == {"fp64"}


def test_records_tell_the_story(records):
    for family in ("polar", "sign"):
        for precision_name, u in (("fp64", 2**-53), ("fp32", 2**-24), ("bf16", 2**-8)):
            (r,) = of(records, family=family, solver="polar-express", condition=1e3,
                      precision=precision_name)  # fmt: skip
            assert r["unit_roundoff"] == u
            assert r["status"] == "CONVERGED"
            assert r["orthogonality"] < 20 * u
            assert r[f"{family}_error"] > 10 * u
            assert r["nit"] > 0
            assert r["products"] >= 3 * r["nit"] - 1
    (low,) = of(records, family="polar", solver="newton-schulz", condition=1e3, precision="bf16")
    assert low["polar_error"] == pytest.approx(low["rounding_alone"] * low["above_floor"])
    assert 0.5 < low["above_floor"] < 3


@pytest.mark.figure
def test_pictures_and_table(records, tmp_path):
    gallery.write("precision", records, tmp_path / "all", {})
    gallery.write("precision_methods", of(records, family="sign"), tmp_path / "methods", {})
    assert len(list(tmp_path.iterdir())) == 8
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert len(rows) == len(records)
    metrics = {m.field for family in (polar, sign) for m in family.FAMILY.metrics}
    assert metrics | {"solver", "precision", "family", "problem", "condition"} <= set(rows[0])
    first = next(r for r in rows if r["precision"] == "fp64")
    assert float(first["polar_error"]) == of(records, precision="fp64")[0]["polar_error"]
    assert first["above_floor"] == first["rounding_alone"] == ""


# The drawings, from records nobody computed ---------------------------------------------------


def made_up(error, status="CONVERGED", solver="fast", precision="bf16", condition=1e2, **more):
    return {
        "family": "toy", "problem": f"p{condition}", "source": "synthetic", "solver": solver,
        "kind": "solver", "condition": condition, "precision": precision, "status": status,
        "unit_roundoff": 2.0**-8, "check": "relative_residual", "error": "forward_error",
        "relative_residual": 1e-3, "forward_error": error, "rounding_alone": 1e-3, **more,
    }  # fmt: skip


def words(figure):
    return [t.get_text() for axes in figure.axes for t in (axes.title, *axes.texts)]


@pytest.mark.figure
def test_divergence_is_shown_and_named():
    from figures.precision import draw

    rows = [made_up(10.0**k * 1e-4, condition=10.0**k) for k in range(4)]
    rows += [made_up(math.nan, "DIVERGED", "wild"), made_up(1e30, "DIVERGED", "wild")]
    rows += [made_up(0.2, source="real"), made_up(0.1, "SINGULAR", condition=1e5)]
    shown = words(draw(rows))
    assert "diverged: wild" in shown
    assert "What you want: forward error" in shown
    assert not any("diverged" in w for w in words(draw(rows[:4])))


@pytest.mark.figure
def test_methods_show_the_worst():
    from figures.precision_methods import draw

    rows = [made_up(0.02), made_up(0.25, condition=1e3), made_up(3e-7, precision="fp32")]
    rows += [made_up(0.1, solver="wild"), made_up(math.inf, "DIVERGED", "wild", condition=1e3)]
    shown = words(draw(rows))
    assert shown.count("0.25") == 1
    assert shown.count("3e-7") == 1
    assert "diverges" in shown
    with pytest.raises(ValueError, match="one family at a time"):
        draw([*rows, {**rows[0], "family": "other"}])


def test_claims_are_readable():
    paper = papers.load("precision", registry.names(), gallery.names())
    assert len(paper.claims) > 20
    assert {figure.study for figure in paper.figures} == {"precision", "text_precision"}
