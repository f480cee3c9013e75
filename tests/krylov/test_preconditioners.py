"""Jacobi, SSOR and IC(0) against what defines them."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as sla

from linalg_ml.krylov import ic0, jacobi, ssor
from linalg_ml.problems import symmetric_with_eigenvalues
from tests.krylov.poisson import poisson


def random_sparse(n=40, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    a = scipy.sparse.random_array((n, n), density=0.1, rng=rng).toarray().astype(dtype)
    if np.dtype(dtype).kind == "c":
        a = a * np.exp(1j * rng.random((n, n)))
    a = a + a.conj().T
    return scipy.sparse.csr_array(a + np.diag(np.abs(a).sum(axis=1) * 1.1 + rng.random(n)))


def ssor_matrix(a, omega):
    d, lower, upper = np.diag(np.diag(a)), np.tril(a, -1), np.triu(a, 1)
    inverse = np.diag(1 / np.diag(a))
    return omega / (2 - omega) * (d / omega + lower) @ inverse @ (d / omega + upper)


def shuffled(a, seed=0):
    """Return the matrix with unsorted columns and entries given in parts."""
    coo = a.tocoo()
    order = np.random.default_rng(seed).permutation(2 * coo.nnz)
    rows, columns = (np.tile(i, 2)[order] for i in (coo.row, coo.col))
    data = np.concatenate([0.25 * coo.data, 0.75 * coo.data])[order]
    indptr = np.r_[0, np.cumsum(np.bincount(rows, minlength=a.shape[0]))]
    by_row = np.argsort(rows, kind="stable")
    return scipy.sparse.csr_array((data[by_row], columns[by_row], indptr), shape=a.shape)


def kinds(a):
    yield a
    yield a.tocsc()
    yield a.tocoo()
    yield shuffled(a)
    yield scipy.sparse.csr_array(
        (a.data, a.indices.astype(np.int64), a.indptr.astype(np.int64)), shape=a.shape
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_what_they_are_in_every_sparse_format(dtype):
    a = random_sparse(dtype=dtype)
    dense = a.toarray()
    x = np.random.default_rng(1).standard_normal((2, 3, 40)).astype(dtype)
    tolerance = {"rtol": 1e-4 if dtype in (np.float32, np.complex64) else 1e-11}
    expected = {
        "jacobi": x / np.diag(dense),
        "ssor": np.linalg.solve(ssor_matrix(dense, 1.3), x[..., None])[..., 0],
    }
    for kind in kinds(a):
        before = kind.data.copy()
        np.testing.assert_allclose(jacobi(kind).matvec(x), expected["jacobi"], **tolerance)
        np.testing.assert_allclose(ssor(kind, 1.3).matvec(x), expected["ssor"], **tolerance)
        made = ic0(kind)
        factor = made.lower.toarray() + np.diag(made.pivots)
        pattern = np.tril(dense) != 0
        assert not np.any(factor[~pattern])
        product = factor @ factor.conj().T
        np.testing.assert_allclose(product[pattern], dense[pattern], rtol=1e-6)
        applied = np.linalg.solve(product, x[..., None])[..., 0]
        np.testing.assert_allclose(made.matvec(x), applied, rtol=tolerance["rtol"], atol=1e-5)
        assert made.matvec(x).dtype == dtype
        np.testing.assert_array_equal(kind.data, before)


def test_ic0_of_a_matrix_without_fill_is_its_cholesky_factor():
    a = scipy.sparse.diags_array([-1.0, 3.0, -1.0], offsets=[-1, 0, 1], shape=(30, 30)).tocsr()
    made = ic0(a)
    factor = made.lower.toarray() + np.diag(made.pivots)
    np.testing.assert_allclose(factor, np.linalg.cholesky(a.toarray()), atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_dense_arrays_of_every_library(xp, dtype):
    if dtype == "float64" and not xp.has_float64:
        pytest.skip("this device has no float64")
    a = symmetric_with_eigenvalues(np.linspace(1, 5, 12), rng=0, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((2, 12)).astype(dtype)
    given = xp.array(x)
    for made, expected in (
        (jacobi(xp.array(a)), x / np.diag(a)),
        (ssor(xp.array(a), 1.4), np.linalg.solve(ssor_matrix(a, 1.4), x.T).T),
    ):
        out = made.matvec(given)
        xp.assert_like(out, given)
        np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=2e-4, atol=2e-5)


def test_dense_stacks(xp):
    a = np.stack([symmetric_with_eigenvalues(np.linspace(1, 5, 6), rng=k) for k in range(3)])
    a = a.astype(np.float32)
    x = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    for made, matrix in (
        (jacobi, lambda a: np.diag(np.diag(a))),
        (lambda a: ssor(a, 1.2), lambda a: ssor_matrix(a, 1.2)),
    ):
        out = xp.to_numpy(made(xp.array(a)).matvec(xp.array(x)))
        for k in range(3):
            np.testing.assert_allclose(out[k], np.linalg.solve(matrix(a[k]), x[k]), rtol=2e-4)


def test_they_fit_scipy():
    a, b = poisson(16), np.random.default_rng(0).standard_normal(256)
    for M in (jacobi(a), ssor(a, 1.7), ic0(a)):
        x, info = sla.cg(a, b, M=M, rtol=1e-8)
        assert info == 0
        assert np.linalg.norm(b - a @ x) <= 1.01e-8 * np.linalg.norm(b)
        wrapped = sla.aslinearoperator(M)
        assert wrapped.shape == (256, 256)
        np.testing.assert_array_equal(wrapped @ b, M.matvec(b))


def test_they_fit_scipy_where_it_passes_columns():
    a = poisson(12)
    columns = np.random.default_rng(0).standard_normal((a.shape[0], 4))
    for m in (jacobi(a), ssor(a, 1.3), ic0(a)):
        together = sla.aslinearoperator(m).matmat(columns)
        assert np.array_equal(together, m.matvec(np.ascontiguousarray(columns.T)).T)
    one = jacobi(np.full((1, 1), 2.0))
    assert one.matvec(np.ones((3, 1))).shape == (3, 1)


@pytest.mark.parametrize("make", [jacobi, ssor, ic0])
def test_one_preconditioner_serves_vectors_of_every_type(make):
    made, x = make(poisson(4)), np.arange(16.0)
    expected = made.matvec(x)
    for dtype in (np.float32, np.complex128, np.float64):
        out = made.matvec(x.astype(dtype))
        assert out.dtype == dtype
        np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_zeros_on_the_diagonal_are_named():
    a = poisson(4).tolil()
    a[5, 5] = 0
    for given in (a.tocsr(), a.toarray()):
        for make in (jacobi, ssor):
            with pytest.raises(ValueError, match="row 5"):
                make(given)
    with pytest.raises(ValueError, match="row 5"):
        ic0(a.tocsr())


def test_a_pivot_that_is_not_positive_is_named_and_a_shift_mends_it():
    kershaw = np.array([[3.0, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3]])
    assert np.linalg.eigvalsh(kershaw)[0] > 0
    a = scipy.sparse.csr_array(kershaw)
    with pytest.raises(np.linalg.LinAlgError, match="the pivot of row 3 is -5"):
        ic0(a)
    made = ic0(a, shift=1.0)
    factor = made.lower.toarray() + np.diag(made.pivots)
    np.testing.assert_allclose(np.diag(factor @ factor.T), 6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ssor(np.eye(2), 2.0), ValueError, "omega must be < 2"),
        (lambda: ssor(np.eye(2), 0), ValueError, "omega must be > 0"),
        (lambda: ssor(np.ones((2, 3)), 1.0), ValueError, r"\(..., n, n\)"),
        (lambda: jacobi(scipy.sparse.csr_array(np.ones((2, 3)))), ValueError, r"\(n, n\)"),
        (lambda: jacobi(lambda x: x), TypeError, "a must be an array"),
        (lambda: ic0(np.eye(3)), TypeError, "a must be a sparse matrix"),
        (lambda: ic0(poisson(3), shift=-1), ValueError, "shift must be >= 0"),
        (lambda: jacobi(np.eye(3)).matvec(np.ones(4)), ValueError, r"x must have shape \(..., 3\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_ssor_is_the_sweep_of_sor_forward_and_back():
    a = random_sparse()
    dense, omega = a.toarray(), 1.6
    r = np.random.default_rng(0).standard_normal(40)
    x = np.zeros(40)
    for i in [*range(40), *reversed(range(40))]:
        x[i] += omega * (r[i] - dense[i] @ x) / dense[i, i]
    np.testing.assert_allclose(ssor(a, omega).matvec(r), x, rtol=1e-11)
