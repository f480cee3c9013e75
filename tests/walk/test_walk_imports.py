"""Which modules a study can load, read from made-up sources."""

import pytest

from experiments.imports import ImportGraph

LAZY = """
import importlib

_NAMES = {"polar": "matrix_functions.polar", "sor": ".relaxation.sor", "cg": "krylov"}
_HINTS = {"rpca": "robust_pca"}


def __getattr__(name):
    return getattr(importlib.import_module(f"linalg_ml.{_NAMES[name]}"), name)
"""

# The lazy package the other way round: module to names.
LAZY_BY_MODULE = """
from importlib import import_module

_MODULES = {"cg": ["cg", "CG"], "minres": "minres minres_qlp"}


def __getattr__(name):
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module("." + module, __name__), name)
    raise AttributeError(name)
"""

TREE = {
    "linalg_ml/__init__.py": LAZY,
    "linalg_ml/_core/__init__.py": "",
    "linalg_ml/_core/checks.py": "import math",
    "linalg_ml/_core/solve.py": "from .checks import check\nfrom ..kernels import dispatch",
    "linalg_ml/kernels/__init__.py": "",
    "linalg_ml/kernels/dispatch.py": (
        "import importlib\n\n"
        "def pick(name):\n    return importlib.import_module(f'linalg_ml.kernels.{name}_')\n"
    ),
    "linalg_ml/kernels/numpy_.py": "import numpy",
    "linalg_ml/kernels/torch_.py": "import torch",
    "linalg_ml/matrix_functions/__init__.py": "from .sign import signm",
    "linalg_ml/matrix_functions/polar.py": "def polar():\n    from linalg_ml._core import solve\n",
    "linalg_ml/matrix_functions/sign.py": "",
    "linalg_ml/relaxation/__init__.py": "",
    "linalg_ml/relaxation/sor.py": "from .._core.checks import check",
    "linalg_ml/krylov/__init__.py": LAZY_BY_MODULE,
    "linalg_ml/krylov/cg.py": "",
    "linalg_ml/krylov/minres.py": "",
    "linalg_ml/metrics.py": "",
    "experiments/__init__.py": "",
    "experiments/study.py": "",
    "experiments/common.py": "import scipy.linalg",
    "experiments/cache.py": "",
}
KERNELS = {"kernels", "kernels.dispatch", "kernels.numpy_", "kernels.torch_"}
SOLVE = {"_core", "_core.solve", "_core.checks"} | KERNELS
POLAR = {"matrix_functions", "matrix_functions.polar", "matrix_functions.sign"} | SOLVE
SOR = {"relaxation", "relaxation.sor", "_core", "_core.checks"}
EVERYTHING = POLAR | SOR | {"krylov", "krylov.cg", "krylov.minres", "metrics"}


@pytest.fixture
def graph(tmp_path):
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ImportGraph({p: tmp_path / p for p in ("linalg_ml", "experiments")})


def ours(graph, text):
    """Return the linalg_ml modules, without that prefix, that a study of this source can load."""
    (graph.folders["experiments"] / "tiny.py").write_text(text)
    graph.add("experiments.tiny")
    top = "linalg_ml."
    return {name.removeprefix(top) for name in graph.sources if name.startswith(top)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import numpy", set()),
        ("import linalg_ml", set()),
        ("import linalg_ml as la\nla.polar(1)", POLAR),
        ("import linalg_ml\n\ndef f():\n    return linalg_ml.sor", SOR),
        ("from linalg_ml import sor", SOR),
        ("from linalg_ml import sor as s, polar", SOR | POLAR),
        ("def f():\n    from linalg_ml import polar", POLAR),
        ("from linalg_ml import cg", {"krylov", "krylov.cg"}),
        ("import linalg_ml as la\nla.krylov.minres_qlp(1)", {"krylov", "krylov.minres"}),
        ("from linalg_ml import krylov\nkrylov.CG", {"krylov", "krylov.cg"}),
        ("from linalg_ml import krylov\nx = krylov", {"krylov", "krylov.cg", "krylov.minres"}),
        ("from linalg_ml import krylov\nkrylov.new", {"krylov", "krylov.cg", "krylov.minres"}),
        ("import linalg_ml.metrics", {"metrics"}),
        ("from linalg_ml.metrics import error", {"metrics"}),
        ("import linalg_ml as la\nla.metrics.error", {"metrics"}),
        ("from linalg_ml import metrics\nmetrics.error", {"metrics"}),
        ("import linalg_ml.relaxation.sor as r\nr.f()", SOR),
        ("from linalg_ml._core import checks", {"_core", "_core.checks"}),
        ("import importlib\nimportlib.import_module('linalg_ml.metrics')", {"metrics"}),
        ("import importlib\nimportlib.import_module('linalg_ml.krylov.' + x)",
         {"krylov", "krylov.cg", "krylov.minres"}),
        ("__import__('linalg_ml.metrics')", {"metrics"}),
        # What cannot be read counts as everything.
        ("import linalg_ml as la\ngetattr(la, name)", EVERYTHING),
        ("import linalg_ml as la\nf(la)", EVERYTHING),
        ("import linalg_ml as la\nla.unheard_of", EVERYTHING),
        ("from linalg_ml import *", EVERYTHING),
        ("import importlib\nimportlib.import_module(f'linalg_ml.{x}')", EVERYTHING),
        ("import numpy as la\nla.polar", set()),
    ],
)  # fmt: skip
def test_modules_a_study_can_load(graph, text, expected):
    assert ours(graph, text) == expected


def test_machinery_is_not_part_of_a_study(graph):
    ours(graph, "from experiments.study import Study\nfrom experiments import common")
    names = {name for name in graph.sources if name.startswith("experiments")}
    assert names == {
        "experiments", "experiments.study", "experiments.common", "experiments.tiny"
    }  # fmt: skip
    assert graph.foreign["experiments.common"] == {"scipy"}


def test_other_packages_by_module(graph):
    ours(graph, "import numpy as np\nimport os.path\nimport importlib\n"
                "importlib.import_module('jax')\nimport linalg_ml as la\nla.polar")  # fmt: skip
    assert graph.foreign["experiments.tiny"] == {"numpy", "os", "importlib", "jax"}
    assert graph.foreign["linalg_ml.kernels.torch_"] == {"torch"}


def test_unknown_module(graph):
    with pytest.raises(ValueError, match=r"no module 'experiments\.nothing'"):
        graph.add("experiments.nothing")
