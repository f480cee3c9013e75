"""The rules of the house: who may import whom, what an import costs, what things are called."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "linalg_ml"

METHODS = {
    "matrix_functions",
    "krylov",
    "sketching",
    "constrained",
    "relaxation",
    "deep_directions",
    "low_rank",
    "optim",
}
SIDEWAYS = {
    "relaxation": {"krylov"},
    "sketching": {"krylov"},
    "constrained": {"krylov", "sketching"},
    "deep_directions": {"krylov"},
    "low_rank": {"krylov", "sketching"},
    "optim": {"krylov", "matrix_functions"},
}
OPTIONAL = (
    "matplotlib",
    "torch",
    "jax",
    "cupy",
    "cupyx",
    "cupy_backends",
    "numba",
    "optax",
    "ml_dtypes",
)
# The one file that is about a library may import it at its head.
ABOUT = {
    **{
        f"linalg_ml.kernels.{path.stem}": {"numba"}
        for path in (PACKAGE / "kernels").glob("numba_*.py")
    },
    "linalg_ml.kernels.cupy_": {"cupy"},
    "linalg_ml.kernels.cupy_grids": {"cupy"},
    "linalg_ml.kernels.cupy_multigrid": {"cupy"},
    "linalg_ml.kernels.torch_": {"torch"},
    "linalg_ml.kernels.torch_foreach": {"torch"},
    "linalg_ml.kernels.jax_": {"jax"},
    "linalg_ml.optim.torch": {"torch"},
    "linalg_ml.optim.torch_transforms": {"torch"},
    "linalg_ml.optim.torch_lora": {"torch"},
    "linalg_ml.optim.torch_checkpoints": {"torch"},
    "linalg_ml.optim.torch_distributed": {"torch"},
    "linalg_ml.optim.torch_processes": {"torch"},
    "linalg_ml.optim.torch_row_shards": {"torch"},
    "linalg_ml.optim.optax": {"jax", "optax"},
}
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
FOLDERS = ("experiments", "figures", "paper_repro")


def imports(path, name, lazily=True):
    """Yield the full names a module imports; with ``lazily``, inside functions too."""
    tree = ast.parse(path.read_text())
    inside = set()
    if not lazily:
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inside.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
                base = ".".join([*here[: len(here) - node.level + 1], *filter(None, [base])])
            for alias in node.names:  # the name may be a module of the package itself
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("import_module", "importlib.import_module") and node.args:
                target = node.args[0]
                if isinstance(target, ast.Constant):
                    yield target.value


def room(name):
    """Return the part of the house a module belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def allowed(name, target):
    """Say whether module ``name`` may import module ``target`` of this package."""
    here, there = room(name), room(target)
    if target == "linalg_ml":
        return False
    if here == "_core":
        if name in ("linalg_ml._core.namespace", "linalg_ml._core.checks"):
            return target == "linalg_ml._core.namespace"
        return there == "_core" or target == "linalg_ml.kernels.dispatch"
    if here == "kernels":
        basics = ("linalg_ml._core.namespace", "linalg_ml._core.checks")
        return there == "kernels" or target in basics
    if here == there:
        return True
    if here in METHODS:
        below = there == "_core" or target == "linalg_ml.kernels.dispatch"
        return below or there in SIDEWAYS.get(here, set())
    if here == "problems":
        return there in ("_core", "kernels")
    if here == "metrics":
        return there == "_core"
    return False


@pytest.mark.parametrize("name", [name for name in MODULES if name != "linalg_ml"])
def test_arrows_point_down_only(name):
    for target in imports(MODULES[name], name):
        if target.split(".")[0] == "linalg_ml":
            assert allowed(name, target), f"{name} must not import {target}"
        assert target.split(".")[0] not in FOLDERS, f"{name} must not import {target}"


def test_the_rule_sees_what_it_forbids():
    for name, target in (
        ("linalg_ml._core.checks", "linalg_ml._core.precision"),
        ("linalg_ml._core.solve", "linalg_ml.kernels.numpy_"),
        ("linalg_ml.kernels.numpy_", "linalg_ml._core.precision"),
        ("linalg_ml.krylov.cg", "linalg_ml.sketching.embeddings"),
        ("linalg_ml.krylov.cg", "linalg_ml.kernels.numba_"),
        ("linalg_ml.optim.base", "linalg_ml.low_rank.alm"),
        ("linalg_ml.metrics", "linalg_ml.krylov.cg"),
        ("linalg_ml.problems.exact", "linalg_ml.krylov.cg"),
        ("linalg_ml.krylov.cg", "linalg_ml"),
    ):
        assert not allowed(name, target)
    for name, target in (
        ("linalg_ml.relaxation.sor", "linalg_ml.krylov.cg"),
        ("linalg_ml.optim.base", "linalg_ml.matrix_functions.orthogonalize"),
        ("linalg_ml.krylov.cg", "linalg_ml.kernels.dispatch"),
        ("linalg_ml._core.precision", "linalg_ml.kernels.dispatch"),
    ):
        assert allowed(name, target)


def test_imports_are_found_wherever_they_hide(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import numpy\n"
        "from linalg_ml.kernels import dispatch\n"
        "from ._core import checks\n"
        "def f():\n    import torch\n    from linalg_ml._core.solve import solve\n"
        "g = lambda: __import__\n"
        "def h():\n    from importlib import import_module\n    import_module('jax.numpy')\n"
        "class A:\n    import cupy\n"
    )
    everything = set(imports(path, "linalg_ml.module"))
    assert everything == {
        "numpy", "linalg_ml.kernels.dispatch", "linalg_ml._core.checks", "torch",
        "linalg_ml._core.solve", "importlib", "jax.numpy", "cupy",
    }  # fmt: skip
    at_import = set(imports(path, "linalg_ml.module", lazily=False))
    assert at_import == {"numpy", "linalg_ml.kernels.dispatch", "linalg_ml._core.checks", "cupy"}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_optional_is_imported_at_the_head_of_a_module(name):
    found = {target.split(".")[0] for target in imports(MODULES[name], name, lazily=False)}
    assert not found & set(OPTIONAL) - ABOUT.get(name, set())
    if name.startswith(("linalg_ml._core", "linalg_ml.kernels")) or name == "linalg_ml":
        assert "scipy" not in found


def test_one_module_alone_imports_array_api_compat():
    users = [
        name
        for name, path in MODULES.items()
        if any(target.split(".")[0] == "array_api_compat" for target in imports(path, name))
    ]
    assert users == ["linalg_ml._core.namespace"]


@pytest.mark.parametrize(
    "module", ["linalg_ml", "linalg_ml._core.solve", "linalg_ml._core.operators"]
)
def test_importing_loads_nothing_optional(module):
    program = f"import sys; import {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {*OPTIONAL, "scipy"}


def test_nothing_has_a_vague_name():
    for top in ("linalg_ml", "experiments", "figures", "paper_repro", "tests"):
        for path in (ROOT / top).rglob("*"):
            assert path.stem.strip("_").lower() not in VAGUE, path


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_every_public_thing_in_it_says_what_it_is(name):
    tree = ast.parse(MODULES[name].read_text())
    assert ast.get_docstring(tree), name
    if room(name) not in ("_core", "kernels"):
        return
    for node in tree.body:
        public = not getattr(node, "name", "_").startswith("_")
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and public:
            assert ast.get_docstring(node), f"{name}.{node.name}"
