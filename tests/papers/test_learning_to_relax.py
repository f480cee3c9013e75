"""The Learning to Relax paper: its tables, bounds and real sequences, its figures and claims."""

import importlib
import io
from pathlib import Path

import numpy as np
import pytest

from experiments import registry, relaxation_real
from experiments.relaxation_bandits import play
from experiments.relaxation_bounds import SorBounds, SsorCgBounds
from experiments.relaxation_tables import GRID, SIDE, instances, sor_counts, young_omegas
from experiments.study import Context
from figures import gallery
from figures.style import style
from linalg_ml.problems import delsq, numgrid
from linalg_ml.relaxation import Fixed, prepare, sor
from paper_repro import papers

ROOT = Path(__file__).parents[2]
LAPLACIAN = delsq(numgrid("S", SIDE + 2))
# Cells small enough for a test; what they show is not what the figures show.
CELLS = {
    "relaxation_bandits": [
        {"distribution": d, "length": 25, "trials": 2} for d in ("low", "high")
    ],
    "relaxation_surrogates": [
        {"panel": "single", "step": 0.2},
        {"panel": "instances", "distribution": "low", "instances": 2, "step": 0.2},
        {"panel": "instances", "distribution": "high", "instances": 2, "step": 0.2},
        {"panel": "shifts", "shifts": 2, "step": 0.2},
    ],
    "relaxation_right_hand_sides": [{"draws": 3, "step": 0.1}],
    "relaxation_ssor_cg": [
        {"domain": domain, "size": size, "offset": offset, "omegas": 3}
        for domain in "LS" for size in (6, 8) for offset in (0.0, 0.5)
    ],
    "relaxation_heat": list(
        registry.load("relaxation_heat").cells(
            {"sizes": ((6, 5, 1), (9, 5, 1)), "steps": 50, "arms": 3, "highest": 1.8}
        )
    ),
    "relaxation_real": [
        {"sequence": "lake", "size": 6, "length": 12, "seeds": 1},
        {"sequence": "digits", "size": 120, "length": 11, "seeds": 1},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def paper():
    return papers.load("learning_to_relax", registry.names(), gallery.names())


@pytest.fixture(scope="module")
def records():
    """Return a function that computes the records of a study once."""
    made = {}

    def of(name):
        if name not in made:
            study = registry.load(name)
            made[name] = [
                {**cell, **record}
                for cell in CELLS[name]
                for record in study.compute(dict(cell), Context("numpy", 0, ROOT))
            ]
        return made[name]

    return of


def test_counts_are_those_of_sor():
    rng = np.random.default_rng(5)
    shifts, sides = instances("high", 9, rng)
    counts = sor_counts(shifts, sides, GRID)
    a = prepare(LAPLACIAN)
    for k in range(0, GRID.size, 3):
        found = [
            sor(a.shifted(c), b, omega=GRID[k], rtol=1e-8, relative_to="initial").nit
            for c, b in zip(shifts, sides, strict=True)
        ]
        assert counts[:, k].tolist() == found
    own = young_omegas(shifts)
    assert np.array_equal(sor_counts(shifts, sides, own[:, None])[4:5, 0],
                          sor_counts(shifts[4:5], sides[4:5], own[4:5])[0])  # fmt: skip


def test_counts_of_the_first_trial():
    shifts, sides = instances("low", 3, np.random.default_rng(1000))
    assert np.allclose(shifts, [-0.08555227, 0.12543916, -0.03846738], atol=1e-8)
    assert sor_counts(shifts, sides, [1.0, 1.6]).tolist() == [[413, 87], [111, 41], [246, 42]]


@pytest.mark.parametrize("shift", [-0.1, 0.0, 0.4])
def test_bounds_of_sor(shift):
    a = LAPLACIAN.toarray() + shift * np.eye(SIDE**2)
    bounds = SorBounds(a)
    for omega in (0.6, 1.2, bounds.omega + 0.05, 1.75, 1.9):
        w = np.diag(a.diagonal() / omega) + np.tril(a, -1)
        m = np.eye(len(a)) - np.linalg.solve(w, a)
        assert np.isclose(bounds.rho(omega), np.abs(np.linalg.eigvals(m)).max(), atol=1e-7)
        root = np.linalg.cholesky(a).T
        norm = np.linalg.norm(root @ m @ np.linalg.inv(root), 2)
        assert np.isclose(bounds.true_energy_norm(omega), norm, atol=1e-10)
        assert norm <= bounds.energy_norm(omega, corrected=True) + 1e-12
    assert bounds.energy_norm(1.0, False) == bounds.energy_norm(1.0, True)


def test_energy_norm_of_the_paper_is_no_bound():
    bounds = SorBounds(LAPLACIAN.toarray())
    assert bounds.energy_norm(1.9, corrected=False) < bounds.true_energy_norm(1.9) - 0.01
    assert round(bounds.true_energy_norm(1.9), 6) == 0.948367
    assert round(bounds.energy_norm(1.9, corrected=False), 6) == 0.930519
    assert round(bounds.energy_estimate(1.4, corrected=False), 1) == 144.6


def test_bound_of_ssor_cg():
    a = LAPLACIAN.toarray()
    bounds = SsorCgBounds(a)
    d, lower = np.diag(a.diagonal()), np.tril(a, -1)
    for omega, bound, steps in ((1.0, 7.16825, 27.82), (1.8, 5.65405, 24.48)):
        left = d / omega + lower
        ws = omega / (2 - omega) * left @ np.linalg.solve(d, left.T)
        values = np.linalg.eigvals(np.linalg.solve(ws, a)).real
        assert values.max() / values.min() <= bounds.bound(omega)
        assert round(bounds.bound(omega), 5) == bound
        assert round(bounds.steps(omega), 2) == steps


def test_play_charges_the_arm_chosen():
    table = np.arange(12).reshape(4, 3)
    assert play(Fixed(1), table, np.zeros(4)).tolist() == [1, 4, 7, 10]


def test_lake_steps_are_implicit_euler_steps():
    side, u = 5, np.zeros(16)
    lines = (ROOT / relaxation_real.WEATHER).read_text().splitlines()[1:]
    days = np.array([line.split(",")[1:] for line in lines], float)
    air = days[:, :2].mean(axis=1)
    air -= air.mean()
    minus = side**2 * delsq(numgrid("S", side + 1)).toarray()
    steps = relaxation_real.lake(ROOT / relaxation_real.WEATHER, side, 4)
    for t, (matrix, b, x0, wind, _) in enumerate(steps):
        assert np.allclose(x0, u, atol=1e-4) and wind == days[t, 2]
        kappa, exchange = 0.003 + 0.001 * wind**2, 0.1 + 0.05 * wind
        u = np.linalg.solve((1 + exchange) * np.eye(16) + kappa * minus, x0 + exchange * air[t])
        assert np.allclose(np.linalg.solve(matrix.tocsr().toarray(), b), u, atol=1e-10)


def test_graph_of_digits():
    rng = np.random.default_rng(0)
    weights = relaxation_real.neighbours(rng.standard_normal((60, 5))).toarray()
    assert np.array_equal(weights, weights.T)
    assert not weights.diagonal().any() and weights.max() <= 1
    assert ((weights > 0).sum(axis=1) >= relaxation_real.NEIGHBOURS).all()


def test_digits_without_labels_get_weighted_means():
    path, rng = ROOT / relaxation_real.DIGITS, np.random.default_rng(3)
    (matrix, b, _, _, check), *_ = relaxation_real.digits(path, 100, 1, rng)
    a = matrix.tocsr().toarray()
    off = np.diag(a.diagonal()) - a
    scores = np.linalg.solve(a, b)
    assert np.allclose(a, a.T) and (off >= 0).all()
    assert scores.min() > -1e-12 and scores.max() < 1 + 1e-12  # labels are 0 and 1

    (_, _, _, _, again), *_ = relaxation_real.digits(path, 400, 1, np.random.default_rng(3))
    assert check() > 0.2 and again() > 0.6  # a guess is right once in ten


@pytest.mark.figure
def test_drawings(paper, records):
    for figure in paper.figures:
        wanted = figure.select.get("panel")
        chosen = records(figure.study)
        if wanted:
            chosen = [r for r in chosen if r["panel"] in wanted]
        with style():
            drawn = importlib.import_module(f"figures.{figure.drawing}").draw(chosen)
            drawn.savefig(picture := io.BytesIO(), format="svg")
        assert b"<svg" in picture.getvalue(), figure.drawing
        assert gallery.caption(figure.drawing)


def test_fields_of_claims(paper, records):
    for claim in paper.claims:
        if "cannot_check" not in claim.spec:
            fields = {key for record in records(claim.figure.study) for key in record}
            asked = {claim.spec[k] for k in ("field", "against") if k in claim.spec}
            for table in ("select", "over", "under"):
                asked |= set(claim.spec.get(table, {}))
            assert asked <= fields, claim.id


def test_claims_say_where(paper):
    marks = ("printed there", "shown there", "recomputed by us", "our own", "not in the paper")
    for claim in paper.claims:
        known = any(mark in claim.where for mark in marks)
        assert claim.text.endswith(".") and (known or claim.where.startswith(("Lemma", "Theorem")))
