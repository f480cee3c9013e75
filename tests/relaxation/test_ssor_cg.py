"""SSOR-preconditioned conjugate gradients: the compiled step against the general one."""

import numpy as np
import pytest
import scipy.sparse

from linalg_ml import Status, cg, krylov
from linalg_ml.relaxation import GridLaplacian, prepare, ssor_cg
from tests.relaxation.grids import laplacian, rhs, unstructured


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_the_steps_are_those_of_cg(rng, dtype):
    a = unstructured(dtype=dtype)
    b = rng.standard_normal(60).astype(dtype)
    for omega in (0.8, 1.5):
        expected = cg(a, b, M=krylov.ssor(a, omega), steps=5)
        result = ssor_cg(a, b, omega=omega, steps=5)
        assert result.x.dtype == dtype and result.nit == 5
        tolerance = 1e-4 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(result.x, expected.x, rtol=tolerance, atol=tolerance)
        x0 = expected.x * (1 + 0.1 * rng.random(60).astype(expected.x.real.dtype))
        options = {"x0": x0, "rtol": 1e-5}
        expected = cg(a, b, M=krylov.ssor(a, omega), **options)
        result = ssor_cg(a, b, omega=omega, **options)
        assert result.converged and abs(result.nit - expected.nit) <= 1


def test_where_it_runs_does_not_matter(rng):
    a = laplacian(8)
    b = rhs("tg", 8)
    expected = ssor_cg(a, b, omega=1.4, rtol=1e-9)
    for matrix in (a.tocoo(), a.toarray(), prepare(a), prepare(a.toarray())):
        result = ssor_cg(matrix, b, omega=1.4, rtol=1e-9)
        assert abs(result.nit - expected.nit) <= 1
        np.testing.assert_allclose(result.x, expected.x, rtol=1e-7)
    stack = np.stack([b, 2 * b[::-1]])
    for matrix in (a, prepare(a), prepare(a, ordering="multicolor"), GridLaplacian((8, 8))):
        result = ssor_cg(matrix, stack, omega=1.4, rtol=1e-9)
        np.testing.assert_allclose(a @ result.x.T, stack.T, atol=1e-7)
    shifted = ssor_cg(prepare(a).shifted(0.4), b, omega=1.4, rtol=1e-9)
    direct = scipy.sparse.csr_array(a + 0.4 * scipy.sparse.eye_array(64))
    assert shifted.nit == ssor_cg(direct, b, omega=1.4, rtol=1e-9).nit
    with pytest.raises(TypeError, match="block_size=1"):
        ssor_cg(prepare(a, block_size=2), b, omega=1.4)


def test_stopping(rng):
    a, b = laplacian(30), rhs("tg", 30)
    for check_every in (None, 1, 3):
        result = ssor_cg(a, b, omega=1.7, rtol=1e-10, check_every=check_every)
        assert result.converged and result.nit == ssor_cg(a, b, omega=1.7, rtol=1e-10).nit
        assert np.linalg.norm(b - a @ result.x) <= 1e-10 * np.linalg.norm(b)
    history = ssor_cg(a, b, omega=1.7, rtol=1e-10, history=True).history
    assert [record["nit"] for record in history] == list(range(result.nit + 1))
    assert ssor_cg(a, b, omega=1.7, x0=result.x, rtol=1e-9).nit == 0
    assert ssor_cg(a, 0 * b, omega=1.7).nit == 0
    assert ssor_cg(a, b, omega=1.7, maxiter=3, rtol=1e-9).status is Status.MAXITER
    assert ssor_cg(a, b, omega=1.7, rtol=1e-18).status is Status.STAGNATED
    assert ssor_cg(a, b, omega=1.7, rtol=1e-12, precision="fp32").status is Status.STAGNATED
    limit = ssor_cg(a, b, omega=1.7, rtol=1e-14)
    assert not limit.converged or limit.residual <= 1e-14 * np.linalg.norm(b)


def test_wrong_arguments():
    a, b = laplacian(3), np.ones(9)
    with pytest.raises(ValueError, match="omega must be < 2"):
        ssor_cg(a, b, omega=2)
    with pytest.raises(TypeError, match="omega"):
        ssor_cg(a, b)
    with pytest.raises(ValueError, match=r"a must have shape \(4, 4\)"):
        ssor_cg(a, np.ones(4), omega=1)
    with pytest.raises(ValueError, match="x0 must have shape"):
        ssor_cg(a, b, omega=1, x0=np.ones(8))
    with pytest.raises(ValueError, match="steps"):
        ssor_cg(a, b, omega=1, steps=2, rtol=1e-3)
