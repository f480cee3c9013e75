"""The digest changes with everything that can change a record, and with nothing else."""

import json

import pytest

from experiments import provenance
from experiments.digest import CodeDigest
from experiments.study import Study

STUDY = Study(
    name="tiny",
    title="",
    summary="",
    compute=lambda cell, context: [{}],
    quick={},
    full={},
    quick_seconds=1,
    full_seconds=1,
    backends=("numpy", "cupy"),
)
CELL = {"n": 3, "tol": 0.1}


@pytest.fixture
def tree(tmp_path):
    for name, text in {
        "experiments/__init__.py": "",
        "experiments/tiny.py": "import linalg_ml as la\n\n\ndef compute():\n    la.used.f()\n",
        "experiments/cache.py": "",
        "linalg_ml/__init__.py": "def __getattr__(name):\n    raise AttributeError(name)\n",
        "linalg_ml/used.py": "def f():\n    from linalg_ml._core import below\n",
        "linalg_ml/_core/__init__.py": "",
        "linalg_ml/_core/below.py": "x = 1\n",
        "linalg_ml/unused.py": "",
        "linalg_ml/_core/tables/numbers.bin": "1 2 3",
        "data/measured.csv": "1,2\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(tree, study=STUDY, cell=CELL, seed=0, backend="numpy"):
    folders = {name: tree / name for name in ("linalg_ml", "experiments")}
    return CodeDigest(study, backend, tree, folders).cell(cell, seed)


def test_same_twice(tree):
    assert digest(tree) == digest(tree)
    assert digest(tree, cell=dict(reversed(CELL.items()))) == digest(tree)


@pytest.mark.parametrize(
    "path",
    [
        "experiments/tiny.py",
        "experiments/__init__.py",
        "linalg_ml/__init__.py",
        "linalg_ml/used.py",
        "linalg_ml/_core/below.py",
        "linalg_ml/_core/tables/numbers.bin",
    ],
)
def test_a_source_changes(tree, path):
    before = digest(tree)
    # One byte for another, in the same second: size and date do not tell.
    text = (tree / path).read_text()
    (tree / path).write_text(text + "#")
    after = digest(tree)
    (tree / path).write_text(text)
    assert after != before
    assert digest(tree) == before


@pytest.mark.parametrize("path", ["linalg_ml/unused.py", "experiments/cache.py", "README.md"])
def test_what_the_study_does_not_use(tree, path):
    before = digest(tree)
    (tree / path).write_text("changed = True\n")
    assert digest(tree) == before


def test_new_lazy_import_is_noticed(tree):
    before = digest(tree)
    source = tree / "linalg_ml/used.py"
    source.write_text(source.read_text() + "    import linalg_ml.unused\n")
    with_import = digest(tree)
    (tree / "linalg_ml/unused.py").write_text("changed = True\n")
    assert len({before, with_import, digest(tree)}) == 3


def test_conditions_change(tree, monkeypatch):
    seen = {
        digest(tree),
        digest(tree, cell={**CELL, "n": 4}),
        digest(tree, cell={**CELL, "n": 3.0}),
        digest(tree, cell={**CELL, "m": 3}),
        digest(tree, seed=1),
        digest(tree, backend="cupy"),
    }
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    seen.add(digest(tree))
    assert len(seen) == 7


@pytest.mark.parametrize("package", ["numpy", "scipy", "numba"])
def test_a_version_changes(tree, monkeypatch, package):
    before, real = digest(tree), provenance.version
    monkeypatch.setattr(provenance, "version", lambda p: "0" if p == package else real(p))
    assert digest(tree) != before


def test_python_changes(tree, monkeypatch):
    before = digest(tree)
    monkeypatch.setattr("sys.version_info", (3, 99, 0))
    assert digest(tree) != before


def test_torch_counts_only_where_it_is_used(tree, monkeypatch):
    before = digest(tree)
    monkeypatch.setattr(provenance, "version", lambda p: "1")
    reference = digest(tree)
    monkeypatch.setattr(provenance, "version", lambda p: "2" if p == "torch" else "1")
    assert digest(tree) == reference != before
    (tree / "experiments/tiny.py").write_text("def compute():\n    import torch\n")
    with_two = digest(tree)
    monkeypatch.setattr(provenance, "version", lambda p: "1")
    assert digest(tree) != with_two


def test_named_data_files(tree):
    from dataclasses import replace

    study = replace(STUDY, data=("data/measured.csv",))
    before = digest(tree, study)
    (tree / "data/measured.csv").write_text("1,3\n")
    assert digest(tree, study) != before
    (tree / "data/measured.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"study 'tiny' needs the data file data/measured"):
        digest(tree, study)


def test_named_modules(tree):
    from dataclasses import replace

    study = replace(STUDY, modules=("linalg_ml.unused",))
    before = digest(tree, study)
    (tree / "linalg_ml/unused.py").write_text("changed = True\n")
    assert digest(tree, study) != before


def test_times_belong_to_a_machine(tree, monkeypatch):
    from dataclasses import replace

    timed, untimed = digest(tree, replace(STUDY, timed=True)), digest(tree)
    monkeypatch.setattr(provenance, "cpu_name", lambda: "another")
    assert digest(tree) == untimed
    assert digest(tree, replace(STUDY, timed=True)) != timed


def test_ingredients_are_plain_data(tree):
    folders = {name: tree / name for name in ("linalg_ml", "experiments")}
    ingredients = CodeDigest(STUDY, "numpy", tree, folders).ingredients
    assert str(tree) not in json.dumps(ingredients)
    assert (ingredients["study"], ingredients["backend"]) == ("tiny", "numpy")
    assert set(ingredients["sources"]) == {
        "experiments", "experiments.tiny", "linalg_ml", "linalg_ml.used", "linalg_ml._core",
        "linalg_ml._core.below",
    }  # fmt: skip


def test_provenance_without_git(tmp_path, monkeypatch):
    nothing = {"commit": None, "dirty": None}
    assert provenance.commit(tmp_path) == nothing
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit(tmp_path) == nothing


def test_provenance_with_git(tmp_path):
    import subprocess

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

    git("init", "-q")
    (tmp_path / "a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "-q", "-m", "a")
    found = provenance.commit(tmp_path)
    assert len(found["commit"]) == 40
    assert found["dirty"] is False
    (tmp_path / "figures" / "gallery").mkdir(parents=True)
    (tmp_path / "figures" / "gallery" / "a.svg").write_text("a")
    assert provenance.commit(tmp_path)["dirty"] is False
    (tmp_path / "a.txt").write_text("b")
    assert provenance.commit(tmp_path)["dirty"] is True
    # A folder inside somebody's repository is not that commit.
    assert provenance.commit(tmp_path / "figures")["commit"] is None


def test_provenance_says_nothing_private(tmp_path):
    import getpass
    import platform

    text = json.dumps(provenance.collect(tmp_path, "numpy", {"numpy": "2"}))
    assert platform.node() not in text or len(platform.node()) < 3
    assert str(tmp_path) not in text
    assert getpass.getuser() not in text or len(getpass.getuser()) < 5
