"""The shipped real matrices: what they are, where they come from, and how they load."""

import hashlib
import json
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from linalg_ml import problems

DATA = resources.files("linalg_ml.problems") / "data"
NAMES = problems.real_matrix_names()
MIB = 2**20


@pytest.mark.parametrize("name", NAMES)
def test_matrices_are_what_their_info_says(name):
    a, info = problems.real_matrix(name), problems.real_matrix_info(name)
    assert a.dtype == np.float32
    assert a.shape == info.shape
    assert np.all(np.isfinite(a))
    sigma = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    assert info.sigma_max == pytest.approx(sigma[0], rel=1e-6)
    assert info.sigma_min == pytest.approx(sigma[-1], rel=1e-3, abs=1e-14 * sigma[0])
    assert info.frobenius_norm == pytest.approx(np.linalg.norm(a), rel=1e-5)
    assert info.sigma_resolved == pytest.approx(sigma[info.numerical_rank - 1], rel=1e-3)
    assert np.linalg.matrix_rank(a, tol=max(a.shape) * 2.0**-23 * sigma[0]) == info.numerical_rank
    share = sigma / sigma.sum() + 1e-300
    assert info.effective_rank == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)
    assert name == f"{info.model}-{info.layer}-{info.kind}-step{info.step}" == info.name


def test_the_spectra_tell_different_stories():
    infos = [problems.real_matrix_info(name) for name in NAMES]
    assert {info.kind for info in infos} == {"gradient", "momentum"}
    assert {info.step == 0 for info in infos} == {True, False}
    rows, columns = np.array([info.shape for info in infos]).T
    assert np.any(rows > columns) and np.any(rows < columns) and np.any(rows == columns)
    small = rows.clip(max=columns)
    assert any(info.effective_rank > 0.6 * k for info, k in zip(infos, small, strict=True))
    assert any(info.effective_rank < 0.05 * k for info, k in zip(infos, small, strict=True))
    assert any(info.numerical_rank == k for info, k in zip(infos, small, strict=True))
    assert any(info.numerical_rank < 0.6 * k for info, k in zip(infos, small, strict=True))


def test_a_layer_norm_takes_one_direction_out_of_the_gradient():
    name = "gpt-block0-query-gradient-step0"
    a = problems.real_matrix(name).astype(np.float64)
    assert problems.real_matrix_info(name).numerical_rank == 127
    ones = np.ones(128) / np.sqrt(128)
    assert np.linalg.norm(a @ ones) < 1e-6 * np.linalg.norm(a)


def test_every_call_gives_a_fresh_array():
    a = problems.real_matrix(NAMES[0])
    a[:] = 0
    assert np.any(problems.real_matrix(NAMES[0]) != 0)
    info = problems.real_matrix_info(NAMES[0])
    info.provenance["model"].clear()
    info.provenance["versions"].clear()
    assert problems.real_matrix_info(NAMES[0]).provenance["model"]
    assert problems.real_matrix_info(NAMES[0]).provenance["versions"]


@pytest.mark.parametrize("load", [problems.real_matrix, problems.real_matrix_info])
def test_unknown_names_list_the_known_ones(load):
    with pytest.raises(ValueError, match=r"name must be one of .*got 'gpt-block0'") as caught:
        load("gpt-block0")
    assert all(repr(name) in str(caught.value) for name in NAMES)
    with pytest.raises(TypeError, match="name must be one of"):
        load(0)


def test_provenance_describes_the_file_that_is_shipped():
    provenance = json.loads((DATA / "real_matrices.json").read_text(encoding="utf-8"))
    content = (DATA / "real_matrices.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == provenance["sha256"]
    with np.load(str(DATA / "real_matrices.npz"), allow_pickle=False) as npz:
        assert sorted(npz.files) == sorted(provenance["matrices"]) == list(NAMES)
    for key in ("seed", "date", "made_by", "versions", "momentum", "licence"):
        assert provenance[key] not in (None, "")
    for model in provenance["models"].values():
        assert model["held_out_loss"] < 0.5 * model["first_loss"]
        data_set = provenance["data_sets"][model["data_set"]]
        assert all(data_set[key] for key in ("what", "origin", "licence", "sha256"))


def test_provenance_names_no_machine():
    text = (DATA / "real_matrices.json").read_text(encoding="utf-8")
    assert "://" not in text
    assert not any(word.startswith("/") for word in text.replace('"', " ").split())


def test_the_file_is_small():
    assert len((DATA / "real_matrices.npz").read_bytes()) <= 3 * MIB
    everything = sum(len(item.read_bytes()) for item in DATA.iterdir() if item.is_file())
    assert everything <= 6 * MIB


def test_loading_needs_numpy_alone_and_reads_nothing_before_it_is_asked():
    script = """
import builtins, io, sys
opened = []
plain = io.open
def spy(file, *rest, **kw):
    opened.append(str(file))
    return plain(file, *rest, **kw)
io.open = builtins.open = spy
from linalg_ml import problems
assert not any("real_matrices" in name for name in opened), opened
a = problems.real_matrix("digits-first-gradient-step0")
b = problems.real_matrix("digits-first-gradient-step0")
assert sum("real_matrices.json" in name for name in opened) == 1, opened
assert sum("real_matrices.npz" in name for name in opened) == 2, opened
heavy = {"torch", "jax", "cupy", "numba", "scipy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
