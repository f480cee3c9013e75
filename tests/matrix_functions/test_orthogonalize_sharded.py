"""JAX arrays on several devices: the result is on the same ones, the large matrix is not copied."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

ROOT = Path(__file__).parents[2]
# The number of devices is fixed before JAX starts, so that this takes a process of its own.
PROGRAM = """
import json, re
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from linalg_ml import optim, orthogonalize

a = np.random.default_rng(0).standard_normal((64, 8))
found = {"devices": jax.device_count(), "runs": {}}
wanted = orthogonalize(a, steps=3)
CASES = {
    "Auto, rows of tall": (P("x", None), a),
    "Auto, columns of wide": (P(None, "x"), a.T),
    "Auto, columns of tall": (P(None, "x"), a),
    "Explicit, rows of tall": (P("x", None), a),
}
for name, (spec, matrix) in CASES.items():
    kind = getattr(AxisType, name.split(",")[0])
    mesh = jax.make_mesh((4,), ("x",), axis_types=(kind,))
    given = jax.device_put(matrix, NamedSharding(mesh, spec))
    exact = wanted if matrix is a else wanted.T
    program = jax.jit(lambda x: orthogonalize(x, steps=3)).lower(given).compile()
    results = [program(given)]
    if name == "Explicit, rows of tall":  # each operation is compiled by itself: slow
        results.append(orthogonalize(given, steps=3))
    found["runs"][name] = {
        "errors": [float(np.abs(np.asarray(x) - exact).max()) for x in results],
        "same": [x.sharding.is_equivalent_to(given.sharding, 2) for x in results],
        "gathered": re.findall(r"= \\w+\\[(\\S*)\\]\\S* all-gather\\(", program.as_text()),
        "reduced": re.findall(r"= \\w+\\[(\\S*)\\]\\S* all-reduce\\(", program.as_text()),
    }

transform, values = optim.muon(0.1, weight_decay=0.1, steps=2), []
for array in (given, jax.numpy.asarray(a)):
    params, grads = {"w": array}, {"w": array**3}
    updates, state = jax.jit(transform.update)(grads, transform.init(params), params)
    values.append(optim.apply_updates(params, updates)["w"])
    values.append(state["params"]["w"]["mean"])
found["runs"]["Explicit, muon"] = {
    "errors": [float(np.abs(np.asarray(values[0]) - np.asarray(values[2])).max())],
    "same": [x.sharding.is_equivalent_to(given.sharding, 2) for x in values[:2]],
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What a process with four devices finds."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags.strip(), "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_result_is_that_of_one_device_where_the_matrix_is(found):
    assert found["devices"] == 4
    assert len(found["runs"]) == 5
    for name, run in found["runs"].items():
        assert max(run["errors"]) <= 1e-12, name
        assert all(run["same"]), name


@pytest.mark.parametrize(
    "name", ["Auto, rows of tall", "Auto, columns of wide", "Explicit, rows of tall"]
)
def test_nothing_but_small_matrices_is_exchanged(found, name):
    run = found["runs"][name]
    assert run["gathered"] == []
    assert "8,8" in run["reduced"]
    sizes = [np.prod([int(d) for d in shape.split(",") if d]) for shape in run["reduced"]]
    assert max(sizes) <= 8 * 8


def test_the_check_sees_a_gathered_matrix(found):
    """With the short side on several devices there is no way around it."""
    assert any("64" in shape for shape in found["runs"]["Auto, columns of tall"]["gathered"])
