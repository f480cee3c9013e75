"""The memory of states: measured in bytes, beside the formulas and the table of the pages."""

import re
from pathlib import Path

import numpy as np
import pytest

from linalg_ml import optim

M, N, R = 1024, 256, 16  # a weight of fp32, and the rank of what has one
PAGE = Path(__file__).parents[2] / "docs" / "optim_family.md"
COUNTERS = ("step", "skipped", "count", "active", "age")


def held_bytes(tree):
    """Return the bytes of all arrays of a state but its counters; views of one number count so."""
    if isinstance(tree, dict):
        return sum(held_bytes(value) for key, value in tree.items() if key not in COUNTERS)
    if isinstance(tree, (list, tuple)):
        return sum(held_bytes(value) for value in tree)
    if tree is None:
        return 0
    used = [d for d, stride in zip(tree.shape, tree.strides, strict=True) if stride]
    return tree.itemsize * int(np.prod(used))


W, PAIR = (M, N), {"A": (R, N), "B": (M, R)}
QUARTER = M * N // 4
# Name in the page: transform, shape of the parameters, numbers of 4 bytes in the state.
SIZES = {
    "adamw": (optim.adamw, W, 2 * M * N),
    "muon": (optim.muon, W, M * N),
    "frugal columns": (optim.frugal, W, 2 * QUARTER + N // 4),
    "frugal rows": (lambda: optim.frugal(projection="rows"), W, 2 * QUARTER + M // 4),
    "frugal entries": (lambda: optim.frugal(projection="entries"), W, 3 * QUARTER),
    "frugal svd": (lambda: optim.frugal(projection="svd"), W, 2 * QUARTER + N * N // 4),
    "frugal_blocks": (optim.frugal_blocks, [W] * 4, 2 * M * N + 2 * 3),
    "soap": (optim.soap, W, 2 * M * M + 2 * N * N + 2 * M * N),
    "soap one-sided": (lambda: optim.soap(sides="smaller"), W, 2 * N * N + 2 * M * N),
    "asgo": (optim.asgo, W, M * N + N * N),
    "dion": (lambda: optim.dion(rank=R), W, M * N + N * R),
    "fismo": (optim.fismo, W, M * N + M * M + 2 * N * N),
    "macro": (lambda: optim.macro(radius=1.0), W, M * N),
    "macro rows": (lambda: optim.macro(manifold="rows"), W, M * N + M),
    "spel": (optim.spel, W, M * N),
    "adamw on factors": (optim.adamw, PAIR, 2 * (M + N) * R),
    "adaprelora": (optim.adaprelora, PAIR, (M + N) * (R + 1)),
    "scaled_adam": (optim.scaled_adam, PAIR, 2 * (M + N) * R),
    "lora_pro": (optim.lora_pro, PAIR, 2 * M * N),
    "lora_rite": (optim.lora_rite, PAIR, 2 * (M + N) * R + 2 * R * R),
}


def made(shapes):
    if isinstance(shapes, dict):
        return {key: made(shape) for key, shape in shapes.items()}
    if isinstance(shapes, list):
        return [made(shape) for shape in shapes]
    return np.ones(shapes, np.float32)


@pytest.mark.parametrize("name", SIZES)
def test_states_take_what_is_said(name):
    make, shapes, numbers = SIZES[name]
    transform, params = make(), made(shapes)
    state = transform.init(params)
    if name == "frugal_blocks":  # memory comes with the first choice
        _, state = transform.update(params, state, params)
        assert state["params"][0]["mean"].dtype == np.float32
    assert held_bytes(state) == 4 * numbers


def test_the_table_of_the_page():
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([0-9.]+) \|$", text, re.M)
    expected = {
        name: f"{4 * numbers / (4 if name == 'frugal_blocks' else 1) / 1024:.0f}"
        for name, (_, _, numbers) in SIZES.items()
    }
    assert {name.replace("`", "").strip(): kib for name, kib in rows} == expected


def test_an_inactive_block_takes_no_memory():
    transform, params = optim.frugal_blocks(density=0.5, frequency=2), [made(W), made(W)]
    state = transform.init(params)
    assert held_bytes(state) == 4 * 4
    for _ in range(5):
        _, state = transform.update(params, state, params)
        assert held_bytes(state) == 2 * 4 * M * N + 2 * 4
