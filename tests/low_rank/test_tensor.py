"""Tensors: recovery as published, reshaping, completion, special inputs."""

import numpy as np
import pytest

from linalg_ml import Status, robust_tensor_pca, square_reshape
from linalg_ml.low_rank import (
    AugmentedLagrangian,
    RankConstrained,
    SumOfNuclearNorms,
    complete_tensor,
    robust_pca,
    square_fold,
    square_modes,
    square_norm,
)
from tests.conftest import BACKENDS, backend_ready
from tests.low_rank.random_problems import error, tensor


def test_published_recovery():
    low, sparse = tensor(30, 3, 0.1)
    result = robust_tensor_pca(low + sparse, method="horpca-s", lam=1 / np.sqrt(30))
    assert result.converged and error(result.x, low) < 3e-5
    assert 300 < result.nit < 500  # 400 published
    quick = robust_tensor_pca(low + sparse, rtol=1e-3)
    assert quick.converged and error(quick.x, low) < 5e-3
    wrong_weight = robust_tensor_pca(low + sparse, lam=0.25 / np.sqrt(30), maxiter=100)
    assert error(wrong_weight.x, low) > 0.5  # .80 published


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_published_recovery_with_ranks(share):
    low, sparse = tensor(20, 2, share)
    result = robust_tensor_pca(low + sparse, method="horpca-c", ranks=2)
    assert result.converged and error(result.x, low) < 1e-4
    for axis in range(3):
        values = np.linalg.svd(np.moveaxis(result.x, axis, 0).reshape(20, -1), compute_uv=False)
        assert values[2] < 1e-4 * values[0]


def test_literal_steps():
    """The steps as printed, in plain NumPy."""
    low, sparse = tensor(8, 2, 0.1)
    t = low + sparse
    lam, mu = 1 / np.sqrt(8), 10 * np.std(t)
    e, v = np.zeros_like(t), [np.zeros_like(t)] * 3
    for _ in range(7):
        x = []
        for axis in range(3):
            flat = np.moveaxis(t + mu * v[axis] - e, axis, 0)
            p, s, qh = np.linalg.svd(flat.reshape(8, -1), full_matrices=False)
            thin = (p * np.maximum(s - mu, 0)) @ qh
            x.append(np.moveaxis(thin.reshape(flat.shape), 0, axis))
        rest = -sum(x[i] - t - mu * v[i] for i in range(3)) / 3
        e = np.sign(rest) * np.maximum(np.abs(rest) - lam * mu / 3, 0)
        v = [v[i] - (x[i] + e - t) / mu for i in range(3)]
    result = robust_tensor_pca(t, method="horpca-s", steps=7)
    np.testing.assert_allclose(result.x, sum(x) / 3, atol=1e-12)
    np.testing.assert_allclose(result.sparse, e, atol=1e-12)


def test_mixture():
    """One tensor of rank one in axis 0, another in axis 1: no unfolding has low rank."""
    g = np.random.default_rng(1)
    parts = [np.einsum("i,jk->ijk", g.standard_normal(20), g.standard_normal((20, 20)) / 20)]
    parts.append(np.einsum("j,ik->ijk", g.standard_normal(20), g.standard_normal((20, 20)) / 20))
    low = sum(parts)
    sparse = g.uniform(-1, 1, low.shape) * (g.random(low.shape) < 0.05)
    result = robust_tensor_pca(low + sparse, method="horpca-m")
    assert result.converged and error(result.x, low) < 1e-3
    assert error(robust_tensor_pca(low + sparse, method="horpca-s").x, low) > 0.1


@pytest.mark.parametrize("method", ["horpca-s", "horpca-c"])
def test_missing_entries(method):
    low, sparse = tensor(20, 1, 0.02, seed=2)
    observed = np.random.default_rng(3).random(low.shape) < 0.7
    t = np.where(observed, low + sparse, np.nan)
    ranks = 1 if method == "horpca-c" else None
    result = robust_tensor_pca(t, method=method, observed=observed, ranks=ranks)
    assert error(result.x, low) < 5e-3
    assert not result.sparse[~observed].any()
    np.testing.assert_allclose((result.x + result.sparse)[observed], t[observed], atol=1e-3)
    complete = complete_tensor(
        np.where(observed, low, np.nan), observed, method=method, ranks=ranks
    )
    assert complete.converged and error(complete.x, low) < 1e-4
    assert "sparse" not in complete.extras


def test_square_needs_fewer_entries_than_the_sum():
    """Tucker ranks (1, 1, 2, 2): the square reshaping has rank 1, two unfoldings rank 2."""
    g = np.random.default_rng(0)
    low = np.einsum("i,j,kl->ijkl", *g.standard_normal((2, 8)), g.standard_normal((8, 2)) @
                    g.standard_normal((2, 8)))  # fmt: skip
    observed = g.random(low.shape) < 0.3
    t = np.where(observed, low, 0.0)
    square = complete_tensor(t, observed, rtol=1e-3)
    assert square.method.unfoldings == "square"
    assert error(square.x, low) < 1e-2
    assert error(complete_tensor(t, observed, method="horpca-s", rtol=1e-3).x, low) > 0.05


def test_square_is_pursuit_of_the_reshaped_tensor():
    low, sparse = tensor(6, 1, 0.05, order=4)
    result = robust_tensor_pca(low + sparse, method="square", rtol=1e-7)
    matrix = square_reshape(low + sparse)
    expected = robust_pca(matrix, method="adm")
    assert result.objective == pytest.approx(expected.objective, rel=1e-4)
    assert error(square_reshape(result.x), expected.x) < 1e-3


def test_a_matrix_is_a_tensor():
    low, sparse = tensor(40, 2, 0.05, order=2)
    result = robust_tensor_pca(low + sparse, rtol=1e-7)
    expected = robust_pca(low + sparse, method="adm")
    assert error(result.x, expected.x) < 1e-4


def test_square_modes():
    assert square_modes((5,) * 4) == (0, 1)
    assert square_modes((5,) * 5) == (0, 1, 2)
    assert square_modes((7, 7, 7)) == (0, 1)
    assert square_modes((2, 50, 5, 5)) == (0, 2, 3)
    assert square_modes((4,)) == (0,)
    with pytest.raises(ValueError, match="more than 16 axes"):
        square_modes((2,) * 17)


def test_square_reshape(xp):
    t = xp.array(np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5), "float32")
    for modes in (None, (1, 0), (2,), (3, 1)):
        matrix = square_reshape(t, modes=modes)
        xp.assert_like(square_fold(matrix, t.shape, modes=modes), t)
        back = xp.to_numpy(square_fold(matrix, t.shape, modes=modes))
        np.testing.assert_array_equal(back, xp.to_numpy(t))
    assert tuple(square_reshape(t, modes=(3, 1)).shape) == (15, 8)
    np.testing.assert_array_equal(
        xp.to_numpy(square_reshape(t, modes=(1,))),
        np.moveaxis(xp.to_numpy(t), 1, 0).reshape(3, -1),
    )


def test_square_norm(rng):
    t = rng.standard_normal((3, 4, 5, 2))
    expected = np.linalg.norm(square_reshape(t), "nuc")
    assert square_norm(t) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(square_norm(np.full((2, 2, 2), np.nan)))
    assert square_norm(np.zeros((2, 0, 2))) == 0


@pytest.mark.parametrize("name", ["numpy-readonly", "numpy-fortran", "strict", "torch"])
@pytest.mark.parametrize("method", ["horpca-s", "horpca-m", "horpca-c", "square"])
def test_array_libraries(method, name):
    low, sparse = tensor(6, 1, 0.05)
    observed = np.random.default_rng(0).random(low.shape) < 0.95
    ranks = 1 if method == "horpca-c" else None
    options = {"method": method, "ranks": ranks, "steps": 20}
    expected = robust_tensor_pca(low + sparse, observed=observed, **options)
    with backend_ready(next(b for b in BACKENDS if b.name == name)) as xp:
        t, seen = xp.array(low + sparse), xp.array(observed)
        result = robust_tensor_pca(t, observed=seen, **options)
        xp.assert_like(result.x, t)
        xp.assert_like(result.sparse, t)
        np.testing.assert_allclose(xp.to_numpy(result.x), expected.x, atol=1e-11)


@pytest.mark.parametrize("method", ["horpca-s", "horpca-m", "horpca-c", "square"])
def test_special_tensors(method):
    ranks = 1 if method == "horpca-c" else None
    options = {"method": method, "ranks": ranks}
    zero = robust_tensor_pca(np.zeros((3, 4, 5)), **options)
    assert zero.converged and not zero.x.any() and not zero.sparse.any()
    assert not robust_tensor_pca(np.zeros((3, 4, 5)), steps=3, **options).x.any()
    constant = robust_tensor_pca(np.full((8, 9, 10), 2.0), **options)
    assert constant.converged
    np.testing.assert_allclose(constant.x, 2.0, atol=1e-2)
    bad = np.ones((3, 4, 5))
    bad[0, 1, 2] = np.nan
    result = robust_tensor_pca(bad, **options)
    assert result.status is Status.NONFINITE_INPUT and np.isnan(result.x).all()
    empty = robust_tensor_pca(np.zeros((3, 0, 5)), **options)
    assert empty.converged and empty.x.shape == (3, 0, 5)
    single = robust_tensor_pca(np.float32(np.ones((4, 4, 4))), **options)
    assert single.x.dtype == np.float32


@pytest.mark.parametrize("size", [1e-20, 1e20, 1e-300, 1e300])
def test_scaling(size):
    low, sparse = tensor(10, 1, 0.05)
    plain = robust_tensor_pca(low + sparse, rtol=1e-2)
    scaled = robust_tensor_pca(size * (low + sparse), rtol=1e-2)
    assert scaled.nit == plain.nit
    np.testing.assert_allclose(scaled.x / size, plain.x, atol=1e-9)
    np.testing.assert_allclose(scaled.sparse / size, plain.sparse, atol=1e-9)
    assert scaled.objective / size == pytest.approx(plain.objective)


@pytest.mark.parametrize("method", ["horpca-m", "horpca-c"])
@pytest.mark.parametrize("size", [1e-36, 1e35])
def test_scaling_in_single_precision(method, size):
    low, sparse = tensor(10, 1, 0.05)
    options = {"method": method, "steps": 5, "ranks": 1 if method == "horpca-c" else None}
    plain = robust_tensor_pca(np.float32(low + sparse), **options)
    scaled = robust_tensor_pca(np.float32(size * (low + sparse)), **options)
    np.testing.assert_allclose(np.float64(scaled.x) / size, plain.x, atol=1e-4)


def test_the_objective_is_what_is_minimised(rng):
    low = np.einsum("i,j,k->ijk", *rng.uniform(0.5, 1.5, (3, 8)))
    sparse = 3.0 * (rng.random(low.shape) < 0.05)
    t = low + sparse

    def nuclear(x):
        return sum(
            np.linalg.norm(np.moveaxis(x, axis, 0).reshape(8, -1), "nuc") for axis in range(3)
        )

    result = robust_tensor_pca(t, rtol=1e-8)
    assert result.converged
    expected = nuclear(result.x) + np.abs(result.sparse).sum() / np.sqrt(8)
    assert result.objective == pytest.approx(expected, rel=1e-6)
    start = robust_tensor_pca(t, x0=low, steps=0)
    expected = nuclear(low) + np.abs(sparse).sum() / np.sqrt(8)
    assert start.objective == pytest.approx(expected, rel=1e-9)
    known = robust_tensor_pca(t, method="horpca-c", ranks=1)
    assert known.objective == pytest.approx(np.abs(known.sparse).sum())
    assert robust_tensor_pca(t, steps=0).objective == 0
    assert robust_tensor_pca(np.zeros((0, 2, 3))).objective == 0
    assert np.isnan(robust_tensor_pca(t * np.nan).objective)


def test_a_start_that_is_not_finite():
    low, _ = tensor(5, 1, 0.05)
    assert robust_tensor_pca(low, x0=low * np.inf).status is Status.NONFINITE_INPUT


def test_start():
    low, sparse = tensor(10, 1, 0.05)
    for method in ("horpca-s", "horpca-m"):
        result = robust_tensor_pca(low + sparse, method=method, x0=low, steps=0)
        np.testing.assert_allclose(result.x, low, atol=1e-15)
        np.testing.assert_allclose(result.sparse, sparse, atol=1e-15)
        plain = robust_tensor_pca(low + sparse, method=method, rtol=1e-3)
        result = robust_tensor_pca(low + sparse, method=method, rtol=1e-3, x0=low)
        assert result.converged and error(result.x, plain.x) < 0.05


def test_arguments():
    t = np.ones((3, 4, 5))
    for lam in (0, -1.0, np.inf):
        with pytest.raises(ValueError, match="lam must be"):
            robust_tensor_pca(t, lam=lam)
    with pytest.raises(ValueError, match=r"observed must have shape \(3, 4, 5\)"):
        robust_tensor_pca(t, observed=np.ones((3, 4), bool))
    with pytest.raises(ValueError, match="ranks must be given"):
        robust_tensor_pca(t, method="horpca-c")
    with pytest.raises(ValueError, match="ranks must hold 3 numbers"):
        robust_tensor_pca(t, method="horpca-c", ranks=(1, 2))
    with pytest.raises(ValueError, match="ranks is for method"):
        robust_tensor_pca(t, ranks=2)
    with pytest.raises(ValueError, match="modes is for method"):
        robust_tensor_pca(t, method="horpca-s", modes=(0,))
    with pytest.raises(ValueError, match="modes must be different axes"):
        robust_tensor_pca(t, method="square", modes=(0, 0))
    with pytest.raises(ValueError, match="at least two axes"):
        robust_tensor_pca(np.ones(3))
    with pytest.raises(ValueError, match="did you mean 'horpca-s'"):
        robust_tensor_pca(t, method="horpca_s")
    with pytest.raises(TypeError, match="must be an instance"):
        robust_tensor_pca(t, method=SumOfNuclearNorms)
    with pytest.raises(TypeError, match="method must be TensorMethod, got AugmentedLagrangian"):
        robust_tensor_pca(t, method=AugmentedLagrangian())
    with pytest.raises(ValueError, match="lam is not for method 'horpca-c'"):
        robust_tensor_pca(t, method="horpca-c", ranks=1, lam=0.1)
    with pytest.raises(TypeError, match=r"ranks must be a sequence of integers, got 2.0"):
        robust_tensor_pca(t, method="horpca-c", ranks=2.0)
    with pytest.raises(TypeError, match="modes must be a sequence of integers, got 1"):
        robust_tensor_pca(t, method="square", modes=1)
    with pytest.raises(TypeError, match="observed must be a boolean array, got bool"):
        complete_tensor(t, True)
    for make, words in (
        (lambda: SumOfNuclearNorms(penalty=0), "penalty must be > 0"),
        (lambda: SumOfNuclearNorms(svd="full"), "svd must be one of"),
        (lambda: SumOfNuclearNorms(unfoldings="some"), "unfoldings must be one of"),
        (lambda: RankConstrained(decay=2), "decay must be <= 1"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
    with pytest.raises(TypeError, match="t must be real"):
        robust_tensor_pca(t + 0j)
    with pytest.raises(TypeError, match="observed must be a boolean array"):
        complete_tensor(t, None)
    assert robust_tensor_pca(t, method=RankConstrained(), ranks=np.int64(1)).converged
