"""Embeddings: the matrices they are, how they are applied, and how well they embed."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

from linalg_ml import sketching
from linalg_ml._core.precision import Arithmetic, round_to
from linalg_ml.kernels import agnostic, numba_sketches, numpy_
from linalg_ml.sketching.sparse_embeddings import distinct

KINDS = ["gaussian", "sparse-sign", "srht", "count", "rows"]


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_matrix(xp, kind):
    sketch = sketching.embedding(kind, (12, 50), rng=0)
    dense = sketch.toarray()
    assert dense.shape == sketch.shape == (12, 50)
    rng = np.random.default_rng(1)
    dtypes = ["float32", "complex64"] + ["float64"] * xp.has_float64
    for dtype in dtypes if xp.library != "jax" else dtypes[:1]:
        tolerance = 1e-13 if dtype == "float64" else 1e-5
        for shape in ((50,), (2, 50, 3)) if xp.library != "jax" else ((50, 3),):
            a = rng.standard_normal(shape).astype(dtype)
            given = xp.array(a)
            forward = sketch @ given
            xp.assert_like(forward, given, (dense @ a).shape)
            np.testing.assert_allclose(xp.to_numpy(forward), dense @ a, atol=tolerance)
            back = sketch.T @ forward
            xp.assert_like(back, given)
            np.testing.assert_allclose(
                xp.to_numpy(back), dense.T @ (dense @ a), atol=20 * tolerance
            )
            np.testing.assert_array_equal(xp.to_numpy(given), a)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_matrices(kind, form):
    a = scipy.sparse.random_array((40, 9), density=0.2, rng=0, format=form)
    sketch = sketching.embedding(kind, (10, 40), rng=1)
    product, back = sketch @ a, sketch.T @ (a.T @ sketch.T.toarray()).T
    assert scipy.sparse.issparse(product) == (kind not in ("gaussian", "srht"))
    dense = product.toarray() if scipy.sparse.issparse(product) else product
    np.testing.assert_allclose(dense, sketch.toarray() @ a.toarray(), atol=1e-13)
    np.testing.assert_allclose(back, sketch.toarray().T @ dense, atol=1e-12)
    lifted = sketch.T @ scipy.sparse.csr_array(dense)
    lifted = lifted.toarray() if scipy.sparse.issparse(lifted) else lifted
    np.testing.assert_allclose(lifted, back, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_kept_on_average(kind):
    mean, draws, rng = np.zeros((12, 12)), 1000, np.random.default_rng(0)
    for _ in range(draws):
        s = sketching.embedding(kind, (5, 12), rng=rng).toarray()
        mean += s.T @ s / draws
    np.testing.assert_allclose(mean, np.eye(12), atol=0.15)


def test_rows_by_probability_keep_lengths_on_average():
    weights = np.arange(1.0, 13)
    draws = [
        sketching.embedding("rows", (5, 12), probabilities=weights, rng=k).toarray()
        for k in range(2000)
    ]
    np.testing.assert_allclose(np.mean([s.T @ s for s in draws], axis=0), np.eye(12), atol=0.2)
    counts = sum((s > 0).sum(0) for s in draws)
    np.testing.assert_allclose(counts / counts.sum(), weights / weights.sum(), atol=0.01)


def test_patterns():
    sign = sketching.embedding("sparse-sign", (30, 100), rng=0).toarray()
    assert np.all((sign != 0).sum(0) == 8)
    np.testing.assert_allclose(np.abs(sign[sign != 0]), 8**-0.5)
    few = sketching.embedding("sparse-sign", (3, 20), nonzeros=5, rng=0).toarray()
    assert np.all((few != 0).sum(0) == 3)
    count = sketching.embedding("count", (30, 100), rng=0).toarray()
    assert np.all((count != 0).sum(0) == 1)
    rows = sketching.embedding("rows", (20, 80), rng=0)
    assert len(set(rows.rows)) == 20
    srht = sketching.embedding("srht", (16, 64), rng=0).toarray()
    np.testing.assert_allclose(srht @ srht.T, 4 * np.eye(16), atol=1e-14)
    np.testing.assert_allclose(np.abs(srht), 0.25)


def test_sets_of_distinct_numbers_are_equally_likely():
    sets = distinct(np.random.default_rng(0), 20000, 2, 5)
    _, counts = np.unique(np.sort(sets, axis=1), axis=0, return_counts=True)
    assert counts.size == 10
    np.testing.assert_allclose(counts, 2000, rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_one_matrix(xp, kind):
    if xp.library == "jax":
        pytest.skip("as the others, and compiling takes long")
    a = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    one = xp.to_numpy(sketching.embedding(kind, (8, 40), rng=5) @ xp.array(a))
    other = sketching.embedding(kind, (8, 40), rng=np.random.default_rng(5)) @ a
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.any(sketching.embedding(kind, (8, 40), rng=6) @ a != other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coherent", [False, True])
def test_singular_values_of_an_embedded_subspace(kind, coherent):
    """The subspace of the first unit vectors is the hard one for few entries and samples."""
    m, n = 4096, 50
    q = np.eye(m, n)
    if not coherent:
        q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((m, n)))
    for d in (2 * n, 4 * n):
        values = np.array(
            [
                np.linalg.svd(sketching.embedding(kind, (d, m), rng=k) @ q, compute_uv=False)
                for k in range(4)
            ]
        )
        if coherent and kind in ("count", "rows"):
            assert values.min() < 1e-8  # two unit vectors fall together, or are not drawn
        elif not (coherent and kind == "srht"):
            ratio = (n / d) ** 0.5
            assert values.min() > {2: 0.25, 4: 0.45}[d // n]
            assert values.max() < 1 + ratio + 0.06


def test_leverage_scores_find_the_rows_that_matter():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2000, 8))
    a[5] *= 1000
    a[:, 3] *= 1e-3
    a[7] = 0
    a[7, 3] = 1.0
    q, _ = np.linalg.qr(a)
    exact = (q**2).sum(1) / 8
    leverage = sketching.row_probabilities(a, rng=0)
    assert leverage.sum() == pytest.approx(1)
    assert np.all(np.abs(leverage[[5, 7]] / exact[[5, 7]] - 1) < 0.8)
    norms = sketching.row_probabilities(a, by="norms")
    np.testing.assert_allclose(norms, (a**2).sum(1) / (a**2).sum())
    sketch = sketching.embedding("rows", (400, 2000), probabilities=leverage, rng=0)
    assert np.linalg.svd(sketch @ q, compute_uv=False).min() > 0.5


def test_units_of_the_columns_change_no_leverage():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((400, 6))
    a[:, 5] = 0
    a[7, 5] = 1
    q, _ = np.linalg.qr(a)
    scaled = (a * np.array([1e4, 1e3, 1, 1, 1e-2, 1e-4])).astype(np.float32)
    found = sketching.row_probabilities(scaled, rng=0)
    assert np.all(np.abs(np.log(found / ((q**2).sum(1) / 6))) < np.log(3))


# Kernels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("order", ["C", "F"])
def test_compiled_kernels_equal_their_twins(dtype, order):
    rng = np.random.default_rng(0)
    a = np.asarray(rng.standard_normal((2, 64, 1100)).astype(dtype), order=order)
    rows = distinct(rng, 64, 3, 20)
    weights = rng.choice([-1.0, 1.0], (64, 3))
    kept, tolerance = a.copy(), 1e-5 if dtype == np.float32 else 1e-13
    scattered = numba_sketches.scatter_rows(a, rows, weights, 20)
    np.testing.assert_allclose(
        scattered, numpy_.scatter_rows(a, rows, weights, 20), atol=tolerance, rtol=0
    )
    np.testing.assert_allclose(
        numba_sketches.gather_rows(scattered, rows, weights),
        agnostic.gather_rows(scattered, rows, weights),
        atol=10 * tolerance,
    )
    np.testing.assert_allclose(
        numba_sketches.hadamard(a), agnostic.hadamard(a), atol=100 * tolerance
    )
    np.testing.assert_array_equal(a, kept)


@pytest.mark.parametrize("order", [1, 8, 128])
def test_hadamard_is_its_own_inverse(xp, order):
    from linalg_ml.kernels.dispatch import kernels

    x = xp.array(np.random.default_rng(0).standard_normal((order, 2)), "float32")
    hadamard = kernels(xp.library).hadamard
    twice = xp.to_numpy(hadamard(hadamard(x)))
    np.testing.assert_allclose(twice, order * xp.to_numpy(x), atol=1e-5 * order)
    first = xp.to_numpy(hadamard(x))[0]
    np.testing.assert_allclose(first, xp.to_numpy(x).sum(0), atol=1e-4)


def test_short_formats_are_summed_in_fp32_and_rounded_once():
    a = round_to(np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32), "bf16")
    arithmetic = Arithmetic("bf16", a)
    for kind in KINDS:
        sketch = sketching.embedding(kind, (20, 300), rng=0)
        product = sketch.multiply(a, arithmetic)
        np.testing.assert_array_equal(product, round_to(product, "bf16"))
        allowed = 2.0**-7 if kind == "gaussian" else 2.0**-8  # its entries are rounded as well
        assert np.linalg.norm(product - sketch.toarray() @ a) < allowed * np.linalg.norm(product)


# Arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("gauss", (2, 3)), {}, ValueError, "did you mean 'gaussian'"),
        (("gaussian", 3), {}, TypeError, r"shape must be a tuple \(s, n\)"),
        (("gaussian", (0, 3)), {}, ValueError, r"shape\[0\] must be at least 1"),
        (("gaussian", (2, 3)), {"nonzeros": 2}, ValueError, "nonzeros is for kind 'sparse-sign'"),
        (("count", (2, 3)), {"probabilities": [1, 1, 1]}, ValueError, "is for kind 'rows'"),
        (("rows", (2, 3)), {"probabilities": [1, 1]}, ValueError, r"shape \(3,\), got shape"),
        (("rows", (2, 3)), {"probabilities": [1, -1, 1]}, ValueError, "nonnegative"),
        (("rows", (4, 3)), {}, ValueError, "at most n = 3"),
        (("srht", (5, 3)), {}, ValueError, "at most n = 3"),
        (("gaussian", (2, 3)), {"rng": "0"}, TypeError, "rng must be"),
    ],
)
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        sketching.embedding(*arguments, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_can_be_copied_after_use(kind):
    jnp = pytest.importorskip("jax.numpy")
    drawn = sketching.embedding(kind, (8, 20), rng=0)
    product = drawn @ jnp.ones((20, 1))
    for copied in (pickle.loads(pickle.dumps(drawn)), copy.deepcopy(drawn)):
        np.testing.assert_array_equal(copied @ jnp.ones((20, 1)), product)
        np.testing.assert_array_equal(copied.toarray(), drawn.toarray())


@pytest.mark.parametrize("by", ["leverage", "norms"])
def test_row_probabilities_of_any_size(by):
    a = np.random.default_rng(0).standard_normal((30, 5))
    expected = sketching.row_probabilities(a, by=by, rng=0)
    for size in (1e-300, 1e-160, 1e300):
        found = sketching.row_probabilities(a * size, by=by, rng=0)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    for bad in (a * np.nan, a * 0, a[:, :0]):
        with pytest.raises(ValueError, match="a must be finite and not zero"):
            sketching.row_probabilities(bad, by=by)
    with pytest.raises(TypeError, match="probabilities must be an array of numbers"):
        sketching.embedding("rows", (2, 3), probabilities="uniform")


def test_wrong_operands():
    sketch = sketching.embedding("count", (3, 10), rng=0)
    with pytest.raises(ValueError, match=r"a must have shape \(10,\)"):
        sketch @ np.ones(9)
    with pytest.raises(ValueError, match=r"a must have shape \(3,\)"):
        sketch.T @ np.ones(10)
    with pytest.raises(ValueError, match=r"a must have shape \(10, k\)"):
        sketch @ scipy.sparse.eye_array(4)
    with pytest.raises(TypeError, match="floating-point"):
        sketch @ np.ones(10, int)
    with pytest.raises(TypeError):
        np.ones((3, 3)) @ sketch
    assert repr(sketch.T) == "<transpose of <count embedding of shape (3, 10)>>"
    assert sketch.T.T is sketch
    with pytest.raises(ValueError, match="m >= n"):
        sketching.row_probabilities(np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite and not zero"):
        sketching.row_probabilities(np.zeros((3, 2)), by="norms")


def test_nan_stays_where_it_is_used():
    a = np.ones((40, 3))
    a[4, 1] = np.nan
    for kind in KINDS[:4]:
        product = sketching.embedding(kind, (5, 40), rng=0) @ a
        assert np.isnan(product[:, 1]).any()
        assert np.isfinite(product[:, [0, 2]]).all()
