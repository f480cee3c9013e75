"""SOR on sparse matrices against sweeps in plain Python, its theory, and wrong arguments."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from linalg_ml import Status, relaxation
from linalg_ml.relaxation import prepare, sor, ssor
from tests.krylov.test_preconditioners import kinds
from tests.relaxation.grids import laplacian, rhs, sweep, unstructured

ORDERS = {
    "forward": [range(60)],
    "backward": [range(59, -1, -1)],
    "symmetric": [range(60), range(59, -1, -1)],
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_sweeps_are_what_they_should_be_in_every_format(rng, dtype):
    a = unstructured(dtype=dtype)
    b = rng.standard_normal(60).astype(dtype)
    tolerance = 2e-5 if dtype in ("float32", "complex64") else 1e-13
    for way, orders in ORDERS.items():
        x = np.zeros(60, np.result_type(a.dtype, np.float64))
        for order in orders * 3:
            x = sweep(a.toarray().astype(x.dtype), b, x, 1.3, order)
        for kind in kinds(a):
            kept = kind.data.copy()
            result = sor(kind, b, omega=1.3, sweep=way, steps=3)
            assert result.x.dtype == dtype and result.counts["sweeps"] == 3
            np.testing.assert_allclose(result.x, x, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(kind.data, kept)
    result = sor(a, b, omega=1.1, rtol=1e-5)
    assert result.converged
    assert np.linalg.norm(a.astype(x.dtype) @ result.x - b) <= 1.001e-5 * np.linalg.norm(b)


def test_mixed_types(rng):
    a, b = unstructured(), rng.standard_normal(60)
    x = sor(a, b, steps=5).x
    complex_b = b + 1j * b
    np.testing.assert_allclose(sor(a, complex_b, steps=5).x, x + 1j * x, rtol=1e-13)
    single = sor(a.astype(np.float32), b, steps=5)
    assert single.x.dtype == np.float64 and np.allclose(single.x, x, rtol=1e-4, atol=1e-4)
    with pytest.raises(TypeError, match="complex"):
        sor(unstructured(dtype=complex), b)
    whole = scipy.sparse.csr_array(np.array([[2, 1], [1, 3]]))
    assert sor(whole, np.ones(2), rtol=1e-12).converged


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("way", ORDERS)
def test_blocks(rng, size, way):
    a, b = unstructured(), rng.standard_normal(60)
    blocks = [[i for i in order if i < 60 // size] for order in ORDERS[way]]
    x = np.zeros(60)
    for order in blocks * 2:
        x = sweep(a.toarray(), b, x, 1.2, order, size)
    result = sor(a, b, omega=1.2, sweep=way, block_size=size, steps=2)
    np.testing.assert_allclose(result.x, x, rtol=1e-12, atol=1e-14)
    result = sor(a.tobsr((size, size)), b, block_size=size, sweep=way, rtol=1e-10)
    assert result.converged
    np.testing.assert_allclose(result.x, np.linalg.solve(a.toarray(), b), rtol=1e-8)
    assert result.nit <= sor(a, b, sweep=way, rtol=1e-10).nit


def test_colors(rng):
    a, b = unstructured(), rng.standard_normal(60)
    for size in (1, 3):
        made = prepare(a, ordering="multicolor", block_size=size)
        order, bounds = made.permutation, np.array(made.bounds) * size
        dense = a.toarray()[order][:, order]
        for first, last in itertools.pairwise(bounds):
            part = dense[first:last, first:last].copy()
            for i in range(0, last - first, size):
                part[i : i + size, i : i + size] = 0
            assert not part.any()
        x = np.zeros(60)
        x[order] = sweep(dense, b[order], np.zeros(60), 1.4, range(60 // size), size)
        result = sor(a, b, omega=1.4, ordering="multicolor", block_size=size, steps=1)
        np.testing.assert_allclose(result.x, x, rtol=1e-12, atol=1e-14)
    assert len(prepare(laplacian(6, 3), ordering="multicolor").bounds) == 3
    far = sum(np.eye(20, k=k) + np.eye(20, k=-k) for k in (1, 2, 5))
    few = prepare(scipy.sparse.csr_array(far + 8 * np.eye(20)), ordering="multicolor")
    assert len(few.bounds) == 4  # three colours, four if each is used about as often
    ring = scipy.sparse.csr_array(
        3.0 * np.eye(5) - np.roll(np.eye(5), 1, 1) - np.roll(np.eye(5), 1, 0)
    )
    assert len(prepare(ring, ordering="multicolor").bounds) == 4
    with pytest.raises(ValueError, match="two colours"):
        relaxation.chebyshev_sor(ring, np.ones(5))


def test_colours_keep_neighbours_close(rng):
    a = laplacian(40)
    np.testing.assert_array_equal(  # numbered well: each colour stands as it was
        prepare(a, ordering="multicolor").permutation,
        np.argsort(np.indices((40, 40)).sum(0).ravel() % 2, kind="stable"),
    )
    shuffled = rng.permutation(1600)
    b = a[shuffled][:, shuffled]
    made = prepare(b, ordering="multicolor")
    rows, columns = made.tocsr()[made.permutation][:, made.permutation].nonzero()
    half = np.abs(rows % 800 - columns % 800)  # places within a colour, of neighbours
    assert len(made.bounds) == 3 and half.mean() < 40
    x = np.arange(1600.0)
    np.testing.assert_allclose(sor(made, b @ x, omega=1.9, rtol=1e-12).x, x, rtol=1e-8, atol=1e-8)


def test_threads_change_nothing_but_the_time(monkeypatch):
    from linalg_ml.kernels import numba_relaxation

    monkeypatch.setattr(numba_relaxation, "_WORTH_SHARING", 10)
    a, b = laplacian(20), rhs("tg", 20)
    for way in ORDERS:
        one = prepare(a, ordering="multicolor")
        two = prepare(a, ordering="multicolor", threads=3)
        options = {"omega": 1.7, "sweep": way, "rtol": 1e-8}
        expected, result = sor(one, b, **options), sor(two, b, **options)
        assert result.converged and result.nit == expected.nit
        np.testing.assert_array_equal(result.x, expected.x)


def test_identities_of_the_matrices():
    a = laplacian(4).toarray()
    d, lower = np.diag(np.diag(a)), np.tril(a, -1)
    for omega in (0.5, 1.0, 1.7):
        w = d / omega + lower
        left = w @ np.linalg.inv(d) @ w.T
        right = ((2 - omega) / (2 * omega)) ** 2 * d + a / omega
        right += lower @ np.linalg.inv(d) @ lower.T - d / 4
        np.testing.assert_allclose(left, right, atol=1e-12)
        both = omega / (2 - omega) * left  # Ws, for W D^-1 W^T
        step = ssor(laplacian(4), a[3], omega=omega, steps=1).x
        np.testing.assert_allclose(both @ step, a[3], atol=1e-12)
        values = np.linalg.eigvals(np.linalg.solve(both, a)).real
        assert values.min() > 0 and values.max() <= 1 + 1e-12


def test_what_is_relative_to_what(rng):
    a, b, x0 = laplacian(10), rhs("tg", 10), 1e3 * rng.standard_normal(100)
    start = np.linalg.norm(b - a @ x0)
    result = sor(a, b, omega=1.5, x0=x0, rtol=1e-6, relative_to="initial")
    assert result.converged and 1e-6 * np.linalg.norm(b) < result.residual <= 1e-6 * start
    again = sor(a, b, omega=1.5, x0=x0, rtol=1e-6)
    assert again.nit > result.nit and again.residual <= 1e-6 * np.linalg.norm(b)
    exact = np.ones(100)
    assert sor(a, a @ exact, x0=exact, relative_to="initial").nit == 0
    assert sor(a, 0 * b).nit == 0 and not sor(a, 0 * b).x.any()


def test_stacks_are_loops(rng):
    a, b = laplacian(6), rng.standard_normal((2, 3, 36))
    b[0, 1] = 0
    for options in ({"ordering": "multicolor"}, {"block_size": 2}, {"sweep": "backward"}):
        result = sor(a, b, omega=1.3, rtol=1e-7, **options)
        assert result.converged and result.x.shape == b.shape and result.residual.shape == (2, 3)
        for index in np.ndindex(2, 3):
            alone = sor(a, b[index], omega=1.3, steps=result.nit, **options)
            np.testing.assert_allclose(result.x[index], alone.x, rtol=1e-12, atol=1e-15)
    b[1, 1, 3] = np.nan
    result = sor(a, b, omega=1.3, rtol=1e-7)
    assert result.statuses[1, 1] is Status.NONFINITE_INPUT
    assert (result.statuses != Status.CONVERGED).sum() == 1


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
def test_the_size_of_the_right_hand_side_changes_nothing(size):
    a, b = laplacian(6), rhs("tg", 6)
    expected, result = sor(a, b, omega=1.4, rtol=1e-9), sor(a, size * b, omega=1.4, rtol=1e-9)
    assert result.converged and result.nit == expected.nit
    np.testing.assert_allclose(result.x / size, expected.x, rtol=1e-10)
    small = relaxation.ssor_cg(a, size * b, omega=1.4, rtol=1e-9)
    assert small.converged
    np.testing.assert_allclose(small.x / size, expected.x, rtol=1e-7)


def test_each_right_hand_side_of_a_stack_has_its_size():
    a, b = laplacian(6), rhs("tg", 6)
    stack = np.stack([b, 1e-160 * b, 1e160 * b, 0 * b])
    start = sor(a, stack, omega=1.4, rtol=1e-9).x
    for x0 in (None, start * np.array([1, 1.01, 1, 1])[:, None]):
        result = sor(a, stack, omega=1.4, rtol=1e-9, x0=x0)
        assert result.converged
        for row, size in zip(result.x, (1, 1e-160, 1e160, 1), strict=True):
            target = np.linalg.norm(b) if row.any() else 0.0
            assert np.linalg.norm(b * row.any() - a @ (row / size)) <= 1e-9 * target


@pytest.mark.parametrize("a", [laplacian(6), relaxation.GridLaplacian((6, 6))], ids=["csr", "grid"])
def test_a_right_hand_side_of_zero_is_solved_by_zero(a):
    """For no sweep ends there; where something else was asked for, sweeps are made."""
    b, x0 = np.zeros(36), rhs("tg", 6)
    for solve in (sor, relaxation.chebyshev_sor, relaxation.ssor_cg):
        omega = {} if solve is relaxation.chebyshev_sor else {"omega": 1.4}
        result = solve(a, b, x0=x0, **omega)
        assert result.converged and result.nit == 0 and not result.x.any()
        assert solve(a, b, x0=x0, steps=2, **omega).x.any() or solve is relaxation.ssor_cg
    assert sor(a, b, x0=x0, relative_to="initial", rtol=1e-3).nit > 5
    assert sor(a, b, x0=x0, atol=1e-3).nit > 5
    both = sor(a, np.stack([b, x0]), x0=np.stack([x0, x0]))
    assert both.converged and not both.x[0].any() and both.x[1].any()


def test_a_full_matrix_is_prepared_as_it_was():
    a = laplacian(6).toarray()
    prepared = prepare(a)
    expected = sor(prepared, rhs("tg", 6)).x
    a *= 2
    np.testing.assert_array_equal(sor(prepared, rhs("tg", 6)).x, expected)


def test_chebyshev_with_one_color():
    result = relaxation.chebyshev_sor(scipy.sparse.diags_array([1.0, 2.0, 4.0]), np.ones(3))
    np.testing.assert_array_equal(result.x, [1, 0.5, 0.25])
    assert result.converged and result.nit == 1


def test_prepared_matrices(rng):
    a, b = unstructured(), rng.standard_normal(60)
    for options in ({}, {"ordering": "multicolor"}, {"block_size": 3}):
        made = prepare(a, **options)
        assert prepare(made) is made
        for c in (0.0, 0.7, -0.3):
            shifted = scipy.sparse.csr_array(a + c * scipy.sparse.eye_array(60))
            result = sor(made.shifted(c), b, omega=1.2, rtol=1e-9)
            expected = sor(shifted, b, omega=1.2, rtol=1e-9, **options)
            assert result.nit == expected.nit
            np.testing.assert_allclose(result.x, expected.x, rtol=1e-12)
        np.testing.assert_allclose(made.matvec(b), a @ b, rtol=1e-12)
        expected = (
            1 - np.linalg.eigvalsh((a / np.sqrt(np.outer(a.diagonal(), a.diagonal()))).toarray())[0]
        )
        assert relaxation.jacobi_radius(made, rtol=1e-9) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ValueError, match="was prepared with ordering='natural'"):
        sor(prepare(a), b, ordering="multicolor")
    with pytest.raises(ValueError, match="no zero on its diagonal"):
        prepare(laplacian(3)).shifted(-4.0)
    assert sor(prepare(a).shifted(1e308).shifted(1e308), b).status is Status.NONFINITE_INPUT


def test_what_cannot_converge_is_told():
    b = rhs("tg", 6)
    indefinite = laplacian(6) - 1.5 * scipy.sparse.eye_array(36)
    for omega in (0.7, 1.0, 1.8, "adaptive", "young"):
        result = sor(indefinite, b, omega=omega)
        assert result.status is Status.DIVERGED and result.nit < 5000
    for a in (indefinite, -laplacian(6)):
        assert relaxation.ssor_cg(a, b, omega=1.0).status is Status.BREAKDOWN
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(6, 6)).toarray()
    line[0, 0] = line[-1, -1] = 1
    singular = scipy.sparse.csr_array(line)
    assert sor(singular, np.ones(6)).status is Status.STAGNATED
    assert sor(singular, np.array([1.0, 0, 0, 0, 0, -1]), rtol=1e-9).converged
    assert not relaxation.ssor_cg(singular, np.ones(6), omega=1.0).success
    for bad in (np.nan, np.inf):
        broken = laplacian(3)
        broken[0, 1] = bad
        for solver in (sor, ssor, lambda a, b: relaxation.ssor_cg(a, b, omega=1.0)):
            assert solver(broken, np.ones(9)).status is Status.NONFINITE_INPUT
        assert sor(broken, np.ones(9), omega="young").status is Status.NONFINITE_INPUT
        for matrix in (broken, broken.toarray()):
            with pytest.raises(np.linalg.LinAlgError, match="NaN or infinity"):
                relaxation.optimal_omega(matrix)
        broken = laplacian(3)
        broken[2, 2] = bad
        assert sor(broken, np.ones(9), omega="young").status is Status.NONFINITE_INPUT
        assert sor(broken, np.ones(9)).status is Status.NONFINITE_INPUT
        assert sor(broken, np.ones(9), block_size=3).status is Status.NONFINITE_INPUT
        assert sor(laplacian(3), np.full(9, bad)).status is Status.NONFINITE_INPUT


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_numpys_matrix_class_is_read_as_an_array():
    plain = sor(laplacian(3).toarray(), np.ones(9))
    result = sor(np.matrix(laplacian(3).toarray()), np.ones(9))
    assert type(result.x) is np.ndarray and np.array_equal(result.x, plain.x)


def test_small_sizes():
    assert sor(scipy.sparse.csr_array((0, 0)), np.zeros(0)).converged
    assert sor(scipy.sparse.csr_array([[4.0]]), np.array([2.0])).x == [0.5]
    assert relaxation.ssor_cg(scipy.sparse.csr_array([[4.0]]), np.array([2.0]), omega=1).x == [0.5]
    assert relaxation.ssor_cg(scipy.sparse.csr_array((0, 0)), np.zeros(0), omega=1).converged
    assert sor(np.array([[4.0]]), np.array([2.0]), ordering="multicolor").x == [0.5]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"omega": 0.0}, ValueError, "omega must be > 0"),
        ({"omega": 2.0}, ValueError, "omega must be < 2"),
        ({"omega": float("nan")}, ValueError, "omega must be"),
        ({"omega": "yung"}, ValueError, "did you mean 'young'"),
        ({"omega": None}, TypeError, "omega must be a number"),
        ({"omega": "adaptive", "sweep": "symmetric"}, ValueError, "forward"),
        ({"sweep": "up"}, ValueError, "sweep must be one of"),
        ({"ordering": "red-black"}, ValueError, "ordering must be one of"),
        ({"relative_to": "r0"}, ValueError, "relative_to must be one of"),
        ({"block_size": 0}, ValueError, "block_size must be at least 1"),
        ({"block_size": 2}, ValueError, "block_size must divide the order 9"),
        ({"a": laplacian(3)[:, :8]}, ValueError, "a must have shape"),
        ({"a": laplacian(2)}, ValueError, r"a must have shape \(9, 9\)"),
        ({"b": np.ones((9, 2))}, ValueError, r"vectors are rows, \(..., 9\): pass b.T"),
        ({"a": lambda x: x}, TypeError, "sweeps need its entries"),
        ({"b": np.ones(9, int)}, TypeError, "b must hold floating-point"),
        ({"b": np.float64(1)}, (TypeError, ValueError), "b must"),
        ({"x0": np.ones(8)}, ValueError, "x0 must have shape"),
        ({"steps": 3, "rtol": 1e-3}, ValueError, "steps"),
        ({"b": np.ones((2, 9)), "omega": "adaptive"}, ValueError, "one right-hand side"),
    ],
)
def test_wrong_arguments(change, error, message):
    options = {"a": laplacian(3), "b": np.ones(9), **change}
    with pytest.raises(error, match=message):
        sor(options.pop("a"), options.pop("b"), **options)


def test_matrices_that_cannot_be_swept():
    a = laplacian(3)
    a[4, 4] = 0
    for ordering in ("natural", "multicolor"):
        with pytest.raises(ValueError, match="no zero on its diagonal, but row 4"):
            sor(a, np.ones(9), ordering=ordering)
    with pytest.raises(ValueError, match="no zero on its diagonal, but row 4"):
        sor(a.toarray(), np.ones(9))
    a = laplacian(3).toarray()
    a[3:6, 3:6] = np.ones((3, 3))
    with pytest.raises(ValueError, match="no singular diagonal block, but block 1"):
        sor(scipy.sparse.csr_array(a), np.ones(9), block_size=3)
    with pytest.raises(ValueError, match="threads need"):
        prepare(laplacian(3), threads=2)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        relaxation.optimal_omega(laplacian(3) - 2 * scipy.sparse.eye_array(9))
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        relaxation.optimal_omega(-laplacian(3))


def test_short_formats_and_their_repair():
    """In bf16 the residual ends above rounding; solving for the residual again repairs it."""
    a, b = laplacian(10), rhs("tg", 10)
    short = sor(a, b, omega=1.5, rtol=1e-6, precision="bf16")
    assert short.status is Status.STAGNATED and short.residual > 1e-4 * np.linalg.norm(b)
    assert "bf16" in short.precision and short.x.dtype == np.float64
    x = 0 * b
    for _ in range(12):
        r = b - a @ x
        x = x + sor(a, r, omega=1.5, steps=40, precision="bf16").x
    assert np.linalg.norm(b - a @ x) < 1e-10 * np.linalg.norm(b)
    for size in (1e-12, 1e12):  # out of the range of fp16
        scaled = sor(a, size * b, omega=1.5, rtol=1e-2, precision="fp16")
        assert (
            scaled.converged and scaled.nit == sor(a, b, omega=1.5, rtol=1e-2, precision="fp16").nit
        )
    tiny = sor(a, (1e-36 * b).astype("float32"), omega=1.5, rtol=1e-5)
    assert tiny.converged and tiny.nit == sor(a, b.astype("float32"), omega=1.5, rtol=1e-5).nit
    single = sor(a, b, omega=1.5, rtol=1e-4, precision="fp32")
    assert single.converged and single.precision == "fp32"
    assert sor(a, b, omega=1.5, rtol=1e-12, precision="fp32").status is Status.STAGNATED
