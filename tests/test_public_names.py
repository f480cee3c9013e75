"""The public names: what is promised is there, documented, and nothing else."""

import inspect
import re
from pathlib import Path

import pytest

import linalg_ml

NAMES = {
    "ConvergenceError",
    "EqualityProblem",
    "Precision",
    "Result",
    "Schedule",
    "Status",
    "cg",
    "clip_singular_values",
    "complete_tensor",
    "constrained",
    "coordinate_descent",
    "deep_conjugate_directions",
    "deep_directions",
    "deflated_cg",
    "eigh_by_sign",
    "estimate_trace",
    "gmres",
    "inverse_root",
    "krylov",
    "low_rank",
    "matmul",
    "matrix_functions",
    "matrix_sign",
    "metrics",
    "minimax_schedule",
    "minres",
    "optimal_omega",
    "nystrom",
    "optim",
    "orthogonalize",
    "plan",
    "polar",
    "problems",
    "project_psd",
    "relaxation",
    "randomized_svd",
    "robust_pca",
    "robust_tensor_pca",
    "round_to",
    "schedule",
    "schedule_names",
    "shortest_schedule",
    "signm",
    "solve_sequence",
    "sor",
    "sqrtm",
    "square_reshape",
    "ssor",
    "ssor_cg",
    "sketch_and_project",
    "sketched_lstsq",
    "sketched_newton",
    "sketching",
    "svd_by_polar",
}
TAIL = {
    "rtol": None,
    "atol": 0.0,
    "maxiter": None,
    "steps": None,
    "x0": None,
    "precision": None,
    "rng": None,
    "callback": None,
    "check_every": None,
    "history": False,
}
SOLVERS = [
    linalg_ml.cg,
    linalg_ml.clip_singular_values,
    linalg_ml.coordinate_descent,
    linalg_ml.deep_conjugate_directions,
    linalg_ml.deflated_cg,
    linalg_ml.gmres,
    linalg_ml.inverse_root,
    linalg_ml.minres,
    linalg_ml.polar,
    linalg_ml.project_psd,
    linalg_ml.signm,
    linalg_ml.eigh_by_sign,
    linalg_ml.sor,
    linalg_ml.sqrtm,
    linalg_ml.ssor,
    linalg_ml.ssor_cg,
    linalg_ml.svd_by_polar,
    linalg_ml.estimate_trace,
    linalg_ml.nystrom,
    linalg_ml.randomized_svd,
    linalg_ml.robust_pca,
    linalg_ml.sketch_and_project,
    linalg_ml.sketched_lstsq,
    linalg_ml.sketched_newton,
    linalg_ml.sketching.range_finder,
]


def test_public_names():
    assert set(linalg_ml.__all__) == NAMES
    assert set(dir(linalg_ml)) == NAMES | {"__version__"}
    for name in NAMES:
        assert getattr(linalg_ml, name).__doc__


def test_the_reference_has_every_name():
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
    rooms = [
        getattr(linalg_ml, name) for name in NAMES if inspect.ismodule(getattr(linalg_ml, name))
    ]
    public = {name for room in rooms for name in getattr(room, "__all__", ())}
    public |= NAMES - {room.__name__.rpartition(".")[2] for room in rooms}
    assert sorted(public - set(re.findall(r"\w+", page))) == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_functions_are_documented(name):
    thing = getattr(linalg_ml, name)
    if not inspect.isfunction(thing):
        return
    doc = inspect.getdoc(thing)
    parameters = inspect.signature(thing).parameters
    for section in (*["Parameters"][: len(parameters)], "Returns", "Examples"):
        assert f"{section}\n---" in doc, f"{name} has no section {section}"
    for parameter in parameters:
        assert parameter in doc, f"{name} does not document {parameter}"


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda f: f.__name__)
def test_solvers_share_one_tail(solver):
    """Same keywords, same order, same defaults; each leaves out only what cannot apply."""
    parameters = inspect.signature(solver).parameters
    tail = [name for name in parameters if name in TAIL]
    assert tail == [name for name in TAIL if name in tail]
    for name in tail:
        assert parameters[name].default == TAIL[name]
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    first = next(iter(parameters.values()))
    assert first.kind is inspect.Parameter.POSITIONAL_ONLY


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("polr", "polar"), ("msign", "orthogonalize"), ("sign", "signm"), ("Polar", "polar")],
)
def test_near_misses_get_a_hint(wrong, right):
    with pytest.raises(AttributeError, match=f"did you mean '{right}'"):
        getattr(linalg_ml, wrong)


def test_unknown_names_get_none():
    with pytest.raises(AttributeError, match=r"has no attribute 'quite_unheard_of'$"):
        _ = linalg_ml.quite_unheard_of
