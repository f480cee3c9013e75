"""The studies, drawings and papers of this checkout fit together; layers are kept."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments import registry
from experiments.digest import CodeDigest
from experiments.progress import Progress, duration
from experiments.run import ROOT
from figures import gallery
from paper_repro import papers


@pytest.mark.parametrize("name", registry.names())
def test_study(name):
    study = registry.load(name)
    try:
        study.plan("quick")
    except ModuleNotFoundError as error:  # of an optional package, and not of ours
        if error.name in ("torch",) and find_spec(error.name) is None:
            pytest.skip(f"{name} {error}")
        raise
    for level in ("quick", "full"):
        assert study.plan(level)
        assert study.seconds(level) > 0
        assert all(study.cost(cell) > 0 for cell in study.plan(level))
    assert f"experiments.{name}" in CodeDigest(study, "numpy", ROOT).modules


def test_papers():
    for name in papers.names():
        assert papers.load(name, registry.names(), gallery.names()).figures


def imports(path: Path, *, top_level: bool) -> set[str]:
    """Return the packages a file imports, everywhere or at module level only."""
    tree = ast.parse(path.read_bytes())
    found = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


# Loaded only where PyTorch is installed.
ABOUT_TORCH = {"make_real_matrices.py", "text_model.py", "training.py", "training_optimizers.py"}
LIBRARIES = {"numpy", "scipy", "numba", "torch", "jax", "cupy", "linalg_ml"}


@pytest.mark.parametrize(
    ("folder", "never"),
    [
        ("experiments", {"figures", "paper_repro", "matplotlib"}),
        ("figures", {"experiments", "paper_repro", "pandas"} | LIBRARIES - {"numpy"}),
        ("paper_repro", {"matplotlib"} | LIBRARIES),
    ],
)
def test_arrows_point_down(folder, never):
    files = sorted((ROOT / folder).glob("*.py"))
    assert files
    for path in files:
        assert not imports(path, top_level=False) & never, path.name
        if path.name not in ABOUT_TORCH:
            heavy = {"matplotlib", "torch", "jax", "cupy"}
            assert not imports(path, top_level=True) & heavy, path.name


def test_rounding_error_is_what_theory_says():
    from experiments.study import Context

    study = registry.load("rounding_error")
    for cell in study.plan("quick"):
        (record,) = study.compute(cell, Context("numpy", 0, ROOT))
        bound = record["unit_roundoff"] / (1 + record["unit_roundoff"])
        if record["normal"] and not record["overflow"]:
            assert 0.9 * bound < record["worst_error"] <= bound
        elif not record["overflow"]:
            assert record["worst_error"] > bound


def test_duration():
    said = [duration(s) for s in (0, 0.4, 59.4, 60, 125, 3599, 3600, 3700, 90000)]
    assert said == ["1 s", "1 s", "59 s", "1 min", "2 min 5 s", "59 min 59 s", "1 h", "1 h 2 min",
                    "25 h"]  # fmt: skip


def test_progress_on_a_terminal():
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = Progress(stream)
    progress.start("s", 3, 1, 2.0, 10.0)
    progress.step(1.0)
    progress.step(1.0)
    progress.note("done")
    first, *rest = stream.getvalue().split("\r")
    assert first == "s: 3 cells, 1 of them stored, about 10 s\n"
    assert rest[0].startswith("s: 2 of 3 cells, about 1 s left")
    assert rest[1].startswith("s: 3 of 3 cells\x1b")
    assert rest[2] == "\x1b[Kdone\n"
