"""Studies: grids, flat records, reproducible random numbers."""

from pathlib import Path

import numpy as np
import pytest

from experiments.study import Context, Study, flat, grid


def make(**changes):
    values = {
        "name": "s",
        "title": "",
        "summary": "",
        "compute": lambda cell, context: [{}],
        "quick": {"a": [1, 2]},
        "full": {"a": [1, 2, 3]},
        "quick_seconds": 1,
        "full_seconds": 2,
    }
    return Study(**{**values, **changes})


def test_grid_crosses_lists():
    assert grid({"a": [1, 2], "b": ("x", "y"), "c": 3}) == [
        {"a": 1, "b": "x", "c": 3},
        {"a": 1, "b": "y", "c": 3},
        {"a": 2, "b": "x", "c": 3},
        {"a": 2, "b": "y", "c": 3},
    ]


def test_levels():
    assert [len(make().plan(level)) for level in ("quick", "full")] == [2, 3]
    assert [make().seconds(level) for level in ("quick", "full")] == [1, 2]
    with pytest.raises(ValueError, match="level must be one of"):
        make().plan("medium")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quick": {"a": [1, 1]}}, "twice"),
        ({"quick": {"a": []}}, "no cells"),
        ({"cells": lambda p: [{"a": [1]}]}, "field 'a' must be None, bool"),
    ],
)
def test_bad_cells(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**changes).plan("quick")


def test_unknown_backend():
    with pytest.raises(ValueError, match="backends must be among"):
        make(backends=("abacus",))


def test_flat_makes_python_scalars():
    record = flat(
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.array(2.0)}, "here"
    )
    assert record == {"a": 0.5, "b": 3, "c": True, "d": 2.0}
    assert [type(v) for v in record.values()] == [float, int, bool, float]


@pytest.mark.parametrize("value", [[1], {"x": 1}, np.ones(1), 1j, np.longdouble(1), b"x"])
def test_flat_refuses_the_rest(value):
    with pytest.raises(TypeError, match="here: field 'a' must be"):
        flat({"a": value}, "here")


def test_flat_wants_a_dict_with_names():
    with pytest.raises(TypeError, match="expected a dict"):
        flat([1], "here")
    with pytest.raises(TypeError, match="field names are strings"):
        flat({1: 1}, "here")


def test_random_numbers_depend_on_seed_and_keys_alone():
    def draw(seed, *keys):
        return Context("numpy", seed, Path()).rng(*keys).random(4).tolist()

    assert draw(0, "matrix", 10) == draw(0, "matrix", 10)
    others = [draw(1, "matrix", 10), draw(0, "matrix", 11), draw(0, "vector", 10), draw(0)]
    assert all(o != draw(0, "matrix", 10) for o in others)
    # The numbers themselves are part of every record: they must not drift.
    assert draw(0, "matrix", 10)[0] == 0.14039759191258339


def test_array_library():
    assert Context("numpy", 0, Path()).xp is np
