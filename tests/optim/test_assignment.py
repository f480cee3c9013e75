"""Sharing out work: loads, ties, and costs that follow the products."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linalg_ml.optim.assignment import assign, orthogonalisation_cost, shares
from linalg_ml.optim.eigenbasis import SOAP
from linalg_ml.optim.orthogonalized import Muon
from linalg_ml.optim.polar_gradient import PolarGrad


@given(st.lists(st.integers(0, 20), max_size=6), st.integers(1, 3))
def test_the_largest_load_is_within_grahams_bound_of_the_best(costs, size):
    loads = [0.0] * size
    owners = assign(costs, loads)
    counted = [sum(c for c, o in zip(costs, owners, strict=True) if o == r) for r in range(size)]
    assert loads == counted
    best = min(
        max(sum(c for c, o in zip(costs, found, strict=True) if o == r) for r in range(size))
        for found in product(range(size), repeat=len(costs))
    )
    assert max(loads) <= (4 / 3 - 1 / (3 * size)) * best + 1e-9


def test_what_is_there_already_counts():
    loads = [5.0, 0.0, 1.0]
    assert assign([2, 2], loads) == [1, 2]
    assert loads == [5.0, 2.0, 3.0]


@pytest.mark.parametrize("length", [0, 1, 5, 8])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_shares_cover_all_in_order(length, parts):
    found = shares(length, parts)
    assert len(found) == parts
    assert [i for start, stop in found for i in range(start, stop)] == list(range(length))
    assert len({stop - start for start, stop in found if stop < length}) <= 1


def test_costs_follow_the_products():
    square, wide = np.zeros((8, 8)), np.zeros((8, 64))
    assert orthogonalisation_cost(square, None, 5, None) == 15 * 8**3
    # In the Gram form: one product of the wide matrix at each end, 4 T - 3 small ones.
    assert orthogonalisation_cost(wide, None, 5, None) == (2 * 8 + 17) * 8**3
    assert orthogonalisation_cost(wide, None, 5, "bf16") == (10 * 8 + 5) * 8**3
    assert orthogonalisation_cost(np.zeros((3, 8, 8)), None, 5, None) == 3 * 15 * 8**3
    assert orthogonalisation_cost(np.zeros((0, 8)), None, 5, None) == 0
    assert Muon().cost(wide) == orthogonalisation_cost(wide, None, 5, None)
    assert Muon(steps=2).cost(square) == 6 * 8**3
    for turbo in (Muon(normalization="aol"), Muon(schedule="turbo")):
        assert turbo.cost(square) == 12 * 8**3  # four steps, not five
    assert PolarGrad(method="jordan").cost(square) == 24 * 8**3
    assert PolarGrad().cost(square) > PolarGrad(method="jordan").cost(square)
    assert SOAP().cost(square) > SOAP(sides="smaller").cost(square)
    assert SOAP(frequency=1).cost(square) > 2 * SOAP().cost(square)
    assert SOAP().cost(np.zeros(7)) == 7
