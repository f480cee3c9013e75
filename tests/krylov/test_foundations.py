"""What the Krylov methods ask of the kernels and of the core."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels import agnostic
from linalg_ml.kernels.dispatch import kernels


def vectors(rng, shape, dtype, count):
    made = [rng.standard_normal(shape) for _ in range(count)]
    if np.dtype(dtype).kind == "c":
        made = [v + 1j * rng.standard_normal(shape) for v in made]
    return [v.astype(dtype) for v in made]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("shape", [(50,), (2, 3, 50), (0,), (3, 0), (0, 5)], ids=str)
def test_updates(rng, shape, dtype):
    """Compiled and plain kernels agree, with a number or one for each vector."""
    x, y, p, ap = vectors(rng, shape, dtype, 4)
    real = np.zeros(0, dtype).real.dtype
    for number in (real.type(0.3), rng.standard_normal(shape[:-1]).astype(real)):
        if number.ndim == 0 and len(shape) == 1:
            number = real.type(number)
        expected = agnostic.xpby(x, number, y), *agnostic.cg_update(number, p, ap, x, y)
        made = (
            kernels("numpy").xpby(x, number, y.copy()),
            *kernels("numpy").cg_update(number, p, ap, x.copy(), y.copy()),
        )
        for one, other in zip(made, expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_updates_use_the_memory_of_what_they_consume_and_no_other(rng):
    x, r, p, ap = vectors(rng, (10,), np.float64, 4)
    kept = p.copy(), ap.copy()
    new_x, new_r = kernels("numpy").cg_update(np.float64(0.5), p, ap, x, r)
    assert new_x is x
    assert new_r is r
    np.testing.assert_array_equal(p, kept[0])
    np.testing.assert_array_equal(ap, kept[1])
    frozen = x.copy()
    frozen.setflags(write=False)
    before = frozen.copy()
    kernels("numpy").xpby(p, np.float64(2), frozen)
    kernels("numpy").cg_update(np.float64(2), p, ap, frozen, r)
    np.testing.assert_array_equal(frozen, before)


@pytest.mark.parametrize("layout", ["fortran", "strided", "mixed types"])
def test_updates_of_other_layouts(rng, layout):
    x, y = rng.standard_normal((2, 4, 6))
    if layout == "fortran":
        y = np.asfortranarray(y)
    elif layout == "strided":
        y = np.repeat(y, 2, axis=-1)[:, ::2]
    else:
        x = x.astype(np.float32)
    expected = x + 0.5 * y
    np.testing.assert_allclose(kernels("numpy").xpby(x, np.float64(0.5), y), expected)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
def test_solve_triangular(xp, rng, lower, batch):
    a = rng.standard_normal((*batch, 6, 6)) + 6 * np.eye(6)
    a = np.tril(a) if lower else np.triu(a)
    for shape in {(*batch, 6), (2, 3, 6)}:
        b = rng.standard_normal(shape)
        solve = kernels(xp.library).solve_triangular
        x = solve(xp.array(a, "float32"), xp.array(b, "float32"), lower=lower)
        expected = np.linalg.solve(a, b[..., None])[..., 0]
        np.testing.assert_allclose(xp.to_numpy(x), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_dot(xp, rng, dtype):
    x, y = vectors(rng, (3, 20), dtype, 2)
    given = xp.array(x), xp.array(y)
    made = kernels(xp.library).dot(*given)
    np.testing.assert_allclose(xp.to_numpy(made), np.sum(x.conj() * y, axis=-1), rtol=1e-4)
    one = kernels(xp.library).dot(given[0][0, :], given[1][0, :])
    assert complex(one) == pytest.approx(complex(np.vdot(x[0], y[0])), rel=1e-4)


@pytest.mark.parametrize("precision", [None, "fp32", "tf32", "bf16"])
def test_vectors_that_share_a_matrix_meet_it_in_one_product(xp, rng, precision):
    a, x = rng.standard_normal((4, 6)), rng.standard_normal((2, 3, 6))
    given = xp.array(x, "float32")
    arithmetic = Arithmetic(precision, given)
    matrix, stack = arithmetic.enter(xp.array(a, "float32")), arithmetic.enter(given)
    made = xp.to_numpy(arithmetic.mv(matrix, stack))
    assert made.shape == (2, 3, 4)
    for index in np.ndindex(2, 3):
        alone = xp.to_numpy(arithmetic.mv(matrix, stack[(*index, slice(None))]))
        np.testing.assert_allclose(made[index], alone, rtol=2e-2 if precision else 1e-4, atol=1e-2)


def test_switching_the_precision_keeps_the_counts():
    a = np.eye(3, dtype=np.float32)
    arithmetic = Arithmetic("bf16", a)
    wide = arithmetic.at_least_fp32(a)
    assert (wide.name, wide.dtype) == ("fp32", np.float32)
    assert wide.at_least_fp32(a) is wide
    wide.mm(a, a)
    arithmetic.mm(a, a)
    wide.count("matvecs")
    assert arithmetic.counts == wide.counts == {"products": 2, "flops": 108, "matvecs": 1}
    assert Arithmetic("fp64", a).at_least_fp32(a).name == "fp64"
    assert Arithmetic("tf32", a).at_least_fp32(a).name == "fp32"
    own = Arithmetic(None, a)
    assert own.at_least_fp32(a) is own


def test_what_the_user_allows_torch_is_not_taken_for_fp32():
    torch = pytest.importorskip("torch")
    a = torch.eye(3)
    own = Arithmetic(None, a)
    assert own.at_least_fp32(a) is not own
    assert own.at_least_fp32(a).policy.name == "fp32"


def test_linear_operators_meet_stacks(rng):
    a = rng.standard_normal((4, 6))
    linear = scipy.sparse.linalg.aslinearoperator(a)
    for stack in (rng.standard_normal((2, 3, 6)), rng.standard_normal(6), np.zeros((0, 6))):
        made = operator(linear, Arithmetic(None, stack))
        np.testing.assert_allclose(made.matvec(stack), stack @ a.T)
        image = stack @ a.T
        np.testing.assert_allclose(made.rmatvec(image), image @ a, atol=1e-12)
