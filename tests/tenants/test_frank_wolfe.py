"""A method with a stopping rule of its own: CONVERGED only if that rule was asked for."""

from functools import partial

import numpy as np
import pytest
from frank_wolfe import l1_atom, nuclear_atom, project

from linalg_ml._core.result import Status


def l1_projection(b, radius):
    """Project exactly, by sorting."""
    sizes = np.sort(np.abs(b))[::-1]
    sums = (np.cumsum(sizes) - radius) / np.arange(1, b.size + 1)
    threshold = max(sums[np.flatnonzero(sizes > sums)[-1]], 0.0)
    return np.sign(b) * np.maximum(np.abs(b) - threshold, 0)


def test_l1_ball_on_every_library(xp, rng):
    host = rng.standard_normal(20)
    b = xp.array(host)
    result = project(b, partial(l1_atom, radius=2.0), rtol=1e-2)
    assert result.converged, result
    xp.assert_like(result.x, b)
    x = xp.to_numpy(result.x).astype(float)
    exact = l1_projection(host, 2.0)
    # The gap bounds the distance: ||x - x*||^2 / 2 <= f(x) - f(x*) <= gap.
    assert np.linalg.norm(x - exact) ** 2 / 2 <= 1.01 * result.residual + 1e-6
    assert result.residual <= 1e-2 * host @ host / 2 * 1.0001
    assert np.abs(x).sum() <= 2.0 * (1 + 1e-5)
    assert result.criterion == f"duality gap <= {1e-2 * float(host @ host) / 2:.3g}"


def test_nuclear_norm_ball(rng):
    b = rng.standard_normal((6, 9))
    u, s, vh = np.linalg.svd(b, full_matrices=False)
    exact = (u * l1_projection(s, 3.0)) @ vh
    result = project(b, partial(nuclear_atom, radius=3.0), rtol=1e-3)
    assert result.converged
    assert np.linalg.norm(result.x - exact) ** 2 / 2 <= result.residual + 1e-12
    assert np.linalg.svd(result.x, compute_uv=False).sum() <= 3.0 + 1e-9


def test_the_rule_that_was_asked_for(rng):
    b, atom = rng.standard_normal(20), partial(l1_atom, radius=2.0)
    result = project(b, atom, stop="change", rtol=0)
    assert result.converged and result.criterion == "relative change of x <= 0.001"
    assert result.residual > 0 and result.residual == pytest.approx(result.gap)
    by_gap = project(b, atom, rtol=0, maxiter=result.nit + 5)
    assert by_gap.status is Status.MAXITER and by_gap.criterion.startswith("duality gap <= ")
    soon = project(b, atom, stop="change", rtol=0.5)
    assert soon.converged and soon.criterion.startswith("duality gap <= ")


def test_a_point_inside_the_ball_and_outcomes(rng):
    b, atom = rng.standard_normal(5) * 1e-2, partial(l1_atom, radius=2.0)
    result = project(b, atom, rtol=1e-1)
    assert result.converged and np.allclose(result.x, b, atol=0.05)
    assert project(np.full(5, np.nan), atom).status is Status.NONFINITE_INPUT
    assert project(b, atom, steps=3).status is Status.FIXED_STEPS
    zero = project(np.zeros(5), atom)
    assert zero.success and np.all(zero.x == 0)
