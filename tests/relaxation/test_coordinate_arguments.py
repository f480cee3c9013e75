"""Coordinate descent at the edges: array libraries, statuses, wrong arguments."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from linalg_ml import Status, coordinate_descent
from linalg_ml._core.solve import iterate

A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
B = np.array([1.0, -2.0, 3.0])
X = np.linalg.solve(A, B)


def test_array_libraries(xp):
    """The matrix stays where it is; x comes back there."""
    a, b = xp.array(A, "float32"), xp.array(B, "float32")
    for options in ({}, {"rule": "gsl", "block": 2}, {"rule": "gsq", "block": 2, "l1": 1e-6}):
        result = coordinate_descent(a, b, rtol=1e-5, **options)
        assert result.converged and result.precision == "fp32"
        xp.assert_like(result.x, b)
        np.testing.assert_allclose(xp.to_numpy(result.x), X, atol=1e-4)
    np.testing.assert_array_equal(xp.to_numpy(a), A.astype("float32"))
    least = coordinate_descent(a, b, loss="least-squares", rule="gs", lower=b * 0, rtol=1e-4)
    assert least.converged and xp.to_numpy(least.x).min() == 0
    start = coordinate_descent(a, b, x0=result.x, rtol=1e-3)
    assert start.nit == 0


def test_array_libraries_with_labels(xp):
    rng = np.random.default_rng(0)
    a = xp.array(rng.standard_normal((20, 3)), "float32")
    signs = xp.array(np.sign(rng.standard_normal(20)), "float32")
    result = coordinate_descent(a, signs, loss="logistic", block=2, rule="gs", rtol=1e-3)
    assert result.converged
    xp.assert_like(result.x, signs, (3,))
    whole = coordinate_descent(
        a, xp.array(xp.to_numpy(signs), "int32"), loss="logistic", block=2, rule="gs", rtol=1e-3
    )
    np.testing.assert_array_equal(xp.to_numpy(whole.x), xp.to_numpy(result.x))
    xp.assert_like(whole.x, a, (3,))
    classes = xp.array(rng.integers(3, size=20), "int32")
    result = coordinate_descent(a, classes, loss="softmax", rtol=1e-3)
    assert result.converged
    xp.assert_like(result.x, a, (3, 3))


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_float32_and_named_precision(storage):
    result = coordinate_descent(storage(A.astype("float32")), B.astype("float32"))
    assert result.x.dtype == np.float32 and result.converged
    short = coordinate_descent(storage(A), B, precision="fp32")
    assert short.x.dtype == np.float64 and short.precision == "fp32"
    np.testing.assert_allclose(short.x, X, rtol=1e-3)
    assert abs(short.x - X).max() > 1e-12


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_short_formats_are_refused(precision):
    with pytest.raises(ValueError, match="fp64 or fp32"):
        coordinate_descent(A, B, precision=precision)


# Sizes and special values


@pytest.mark.parametrize("rule", ["cyclic", "gsl"])
@pytest.mark.parametrize("loss", ["quadratic", "least-squares", "logistic", "softmax"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_empty_and_one_by_one(rule, loss, storage):
    b = np.zeros(0, int) if loss == "softmax" else np.zeros(0)
    result = coordinate_descent(storage(np.zeros((0, 0))), b, loss=loss, rule=rule)
    assert result.converged and result.x.size == 0 and result.nit == 0
    if loss == "quadratic":
        result = coordinate_descent(storage([[4.0]]), np.array([2.0]), rule=rule)
    elif loss == "least-squares":
        result = coordinate_descent(storage([[4.0]]), np.array([2.0]), loss=loss, rule=rule)
    else:
        return
    assert result.converged and result.x.tolist() == [0.5]


def test_no_rows():
    result = coordinate_descent(np.zeros((0, 3)), np.zeros(0), loss="least-squares")
    assert result.converged and result.x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rule", ["cyclic", "gsl", "gsq", "lipschitz", "gsd-gershgorin"])
@pytest.mark.parametrize("block", [1, 2, ("sort", 2)])
@pytest.mark.parametrize("loss", ["least-squares", "logistic"])
def test_a_zero_column(rule, block, loss, rng):
    """Its coordinate stays where it starts; with l1 it goes to zero."""
    a = rng.standard_normal((8, 4))
    a[:, 1] = 0
    b = np.array([1.0, -1] * 4)
    result = coordinate_descent(a, b, loss=loss, rule=rule, block=block, rng=0)
    assert result.converged and result.x[1] == 0
    x0 = np.array([0.0, 1.0, 0.0, 0.0])
    shrunk = coordinate_descent(a, b, loss=loss, block=block, l1=0.3, x0=x0)
    assert shrunk.converged and shrunk.x[1] == 0


def test_a_zero_diagonal():
    a = np.diag([2.0, 0.0, 1.0])
    fine = coordinate_descent(a, np.array([2.0, 0.0, 1.0]))
    assert fine.converged and fine.x.tolist() == [1, 0, 1]
    endless = coordinate_descent(a, np.ones(3))
    assert endless.status is Status.BREAKDOWN
    bounded = coordinate_descent(a, np.ones(3), upper=7.0)
    assert bounded.converged and bounded.x.tolist() == [0.5, 7, 1]
    assert coordinate_descent(a, np.ones(3), l1=1.5).converged
    a[0, 1] = a[1, 0] = 0.5
    assert coordinate_descent(a, np.ones(3), upper=7.0).status is Status.BREAKDOWN


def test_not_convex():
    assert coordinate_descent(-A, B).status is Status.BREAKDOWN
    hidden = np.array([[1.0, 2.0], [2.0, 1.0]])
    status = coordinate_descent(hidden, np.array([1.0, 0.3])).status
    assert status in (Status.DIVERGED, Status.STAGNATED, Status.MAXITER)


WAYS = [
    {},
    {"rule": "gs"},
    {"rule": "random", "rng": 0},
    {"block": 4, "rule": "gsq"},
    {"block": 5, "update": "gradient"},
    {"l1": 0.1, "block": 3},
    {"x0": np.full(30, 1e3)},
]


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_indefinite_quadratic_diverges(options, dtype, rng):
    """It is seen from x^T A x < 0 long before anything overflows."""
    a = rng.standard_normal((30, 30))
    a = (a + a.T).astype(dtype) / 2
    np.fill_diagonal(a, 5)
    assert np.linalg.eigvalsh(a)[0] < -1
    if "x0" in options:
        options = {"x0": options["x0"].astype(dtype)}
    result = coordinate_descent(a, np.ones(30, dtype), **options)
    assert result.status is Status.DIVERGED
    start = np.linalg.norm(a @ options.get("x0", np.zeros(30)) - 1)
    assert start < result.residual < 1e3 * start


def test_a_residual_that_grows_for_a_while_is_not_taken_for_divergence():
    """The first step in a small column disturbs a large one; the quadratic is convex."""
    rng = np.random.default_rng(1)
    small = 1 + rng.random(50)
    a = np.c_[1e-9 * small, np.ones(50)]
    b = small - small.mean()
    a, b = a.T @ a, a.T @ b
    result = coordinate_descent(a, b, rtol=1e-3, history=True, check_every=1)
    residuals = [record["residual"] for record in result.history]
    assert max(residuals) > 1e7 * residuals[0] and result.status is not Status.DIVERGED


def test_bounds_hold_an_indefinite_quadratic():
    a = np.array([[1.0, 3.0], [3.0, 1.0]])
    boxed = coordinate_descent(a, np.ones(2), lower=-50, upper=50, x0=np.array([0.1, -0.1]))
    assert boxed.converged and np.abs(boxed.x).max() == 50
    copositive = coordinate_descent(a, np.array([1.0, 0.5]), lower=0)
    assert copositive.converged and copositive.x.tolist() == [1, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rule", ["cyclic", "gsl", "gsq", "lipschitz"])
@pytest.mark.parametrize("block", [1, ("sort", 2), 2])
def test_nonfinite_input(value, rule, block):
    bad = B.copy()
    bad[1] = value
    for a, b in ((A, bad), (np.where(np.eye(3) == 1, value, A), B)):
        for storage in (np.asarray, sp.csr_array):
            result = coordinate_descent(storage(a), b, rule=rule, block=block, rng=0)
            assert result.status is Status.NONFINITE_INPUT


def test_zero_right_hand_side():
    result = coordinate_descent(A, np.zeros(3))
    assert result.converged and result.nit == 0
    from_afar = coordinate_descent(A, np.zeros(3), x0=np.ones(3))
    assert from_afar.converged and np.abs(from_afar.x).max() < 1e-5


def test_where_zero_is_optimal_the_target_is_relative_to_the_start():
    """It descends from x0 all the same: of many minimisers it does not jump to zero."""
    x0 = np.array([3.0, 1.0])
    result = coordinate_descent(np.ones((2, 2)), np.zeros(2), x0=x0, rtol=1e-3)
    assert result.converged and result.x.tolist() == [-1, 1]
    result = coordinate_descent(A, np.zeros(3), x0=np.ones(3), rtol=1e-3)
    start = np.linalg.norm(A @ np.ones(3))
    assert result.converged and 1e-6 * start < result.residual <= 1e-3 * start
    assert f"<= {1e-3 * start:.3g}" in result.criterion


def test_equal_bounds_fix_a_coordinate():
    result = coordinate_descent(A, B, lower=[-9, 0.25, -9], upper=[9, 0.25, 9], x0=np.ones(3))
    assert result.converged and result.x[1] == 0.25
    assert result.support.tolist() == [0, 2]


SIZES = {"float64": (1e-250, 1e-120, 1e120, 1e250), "float32": (1e-36, 1e-19, 1e19, 1e36)}
SIZED = [(dtype, size) for dtype, sizes in SIZES.items() for size in sizes]


@pytest.mark.parametrize(("dtype", "size"), SIZED)
@pytest.mark.parametrize("options", [{}, {"rule": "gsd", "block": 2}, {"rule": "gsq", "block": 2}])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_right_hand_sides_whose_squares_leave_the_range(dtype, size, options, storage):
    """x is proportional to b, and the residual is that of b as it was given."""
    a, power = A.astype(dtype), 2.0 ** np.round(np.log2(size))
    b = (B * power).astype(dtype)
    one = coordinate_descent(storage(a), B.astype(dtype), **options)
    other = coordinate_descent(storage(a), b, **options)
    assert other.converged and other.nit == one.nit
    np.testing.assert_array_equal(other.x, one.x * np.array(power, dtype))
    assert other.residual == one.residual * power > 0


@pytest.mark.parametrize("size", [1e-36, 1e-20, 1e-12, 1e12, 1e20, 1e36])
@pytest.mark.parametrize("loss", ["quadratic", "least-squares", "logistic", "softmax"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_matrices_whose_squares_leave_the_range(size, loss, storage, rng):
    """With the bounds, the penalty and the start in proportion, the steps are the same."""
    power = 2.0 ** np.round(np.log2(size))
    a, b = rng.standard_normal((30, 3)).astype("float32"), rng.standard_normal(30).astype("float32")
    of_b, of_slope = 1.0, power
    if loss == "quadratic":
        a, b, of_slope = A.astype("float32"), B.astype("float32"), 1.0
    elif loss == "logistic":
        b = np.sign(b)
    elif loss == "softmax":
        b = (b > 0).astype(int)
    else:
        of_b, of_slope = power, power**2
    shape = (3, 2) if loss == "softmax" else (3,)
    x0, bound = rng.uniform(-0.1, 0.1, shape).astype("float32"), 0.5
    of_x = of_b / power

    def solve(matrix, right, slope, x):
        return coordinate_descent(
            storage(matrix), right, loss=loss, l1=0.01 * slope, upper=bound * x,
            x0=(x0 * np.float32(x)), rtol=1e-3,
        )  # fmt: skip

    one = solve(a, b, 1.0, 1.0)
    scaled_b = b if loss in ("logistic", "softmax") else b * np.float32(of_b)
    other = solve(a * np.float32(power), scaled_b, of_slope, of_x)
    assert one.converged and other.converged and other.nit == one.nit
    np.testing.assert_array_equal(other.x, one.x * np.float32(of_x))
    assert other.residual == pytest.approx(one.residual * of_slope)
    assert other.objective == pytest.approx(one.objective * of_slope * of_x)
    assert other.support.tolist() == one.support.tolist()


def test_a_start_or_a_bound_that_is_much_larger_than_b():
    for dtype, tiny in (("float64", 1e-200), ("float32", 1e-25)):
        a, b = A.astype(dtype), np.full(3, tiny, dtype)
        result = coordinate_descent(a, b, x0=np.ones(3, dtype), lower=1)
        assert result.converged and result.x.tolist() == [1, 1, 1]
        far = coordinate_descent(a, b * 0, x0=np.full(3, 1 / tiny, dtype))
        assert far.converged and 0 < np.abs(far.x).max() < 1e-3 / tiny
        near = coordinate_descent(a, b * 0, x0=b)
        assert near.converged and 0 < np.abs(near.x).max() < 1e-3 * tiny


def test_a_solution_or_a_residual_out_of_range_is_no_success():
    eye = np.eye(3)
    assert coordinate_descent(1e-200 * eye, np.full(3, 1e200)).status is Status.DIVERGED
    assert not coordinate_descent(1e200 * eye, np.full(3, 1e-200)).converged
    below = coordinate_descent(1e-200 * A, 1e-200 * B, loss="least-squares")
    assert below.residual > 0 and not below.converged
    np.testing.assert_allclose(below.x, X, rtol=1e-3)


def test_double_data_out_of_the_range_of_a_short_precision():
    result = coordinate_descent(1e-60 * A, 1e60 * B, precision="fp32")
    assert result.converged
    np.testing.assert_allclose(result.x, 1e120 * X, rtol=1e-3)


def test_scaled_arrays_of_any_library(xp):
    a, b = xp.array(1e-12 * A, "float32"), xp.array(1e-12 * B, "float32")
    for loss in ("quadratic", "least-squares"):
        result = coordinate_descent(a, b, loss=loss, rtol=1e-5)
        assert result.converged
        xp.assert_like(result.x, b)
        np.testing.assert_allclose(xp.to_numpy(result.x), X, rtol=1e-3)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
def test_scaling(scale):
    one = coordinate_descent(A, B, rule="gsl", block=2, steps=4)
    other = coordinate_descent(scale * A, B, rule="gsl", block=2, steps=4)
    np.testing.assert_allclose(other.x * scale, one.x, rtol=1e-12)


def test_permutation(rng):
    """Greedy steps do not depend on the order of the coordinates."""
    g = rng.standard_normal((9, 7))
    a, b, p = g.T @ g, rng.standard_normal(7), rng.permutation(7)
    for rule in ("gs", "gsl", "gsd-gershgorin", "gsq"):
        one = coordinate_descent(a, b, rule=rule, block=2, steps=6).x
        other = coordinate_descent(a[np.ix_(p, p)], b[p], rule=rule, block=2, steps=6).x
        np.testing.assert_allclose(other, one[p], rtol=1e-9, atol=1e-12)


def test_inputs_are_untouched_and_unusual_memory_is_fine(rng):
    a, b = np.asfortranarray(A), B.copy()
    a.setflags(write=False)
    b.setflags(write=False)
    sparse = sp.csr_array(np.kron(A, np.eye(2)))[::2][:, ::2]
    flipped = np.flip(np.flip(A, 0), 1)[::-1, ::-1]
    for matrix in (a, flipped, sparse):
        np.testing.assert_allclose(coordinate_descent(matrix, b, rtol=1e-9).x, X, rtol=1e-7)
    np.testing.assert_array_equal(b, B)


# The shared tail


def test_steps_callback_and_history():
    seen = []
    result = coordinate_descent(
        A, B, steps=5, history=True, callback=lambda p: seen.append((p.nit, p.x.copy()))
    )
    assert result.status is Status.FIXED_STEPS and result.nit == 5
    assert [record["nit"] for record in result.history] == [0, 1, 2, 3, 4, 5]
    assert [nit for nit, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[0][1].tolist() == [0.25, 0, 0]
    stopped = coordinate_descent(A, B, check_every=1, callback=lambda p: p.nit == 2)
    assert stopped.status is Status.STOPPED and stopped.nit == 2


@pytest.mark.parametrize(
    "options", [{}, {"rule": "gsl"}, {"block": ("sort", 2)}, {"update": "newton"}]
)
def test_who_looks_on_does_not_change_the_pace(options):
    """History and callbacks see the checks that are made anyway, after each pass."""
    seen = []
    plain = coordinate_descent(A, B, rtol=1e-9, **options)
    watched = coordinate_descent(
        A, B, rtol=1e-9, history=True, callback=lambda p: seen.append(p.nit), **options
    )
    assert watched.nit == plain.nit and watched.counts == plain.counts
    np.testing.assert_array_equal(watched.x, plain.x)
    a_pass = 2 if "block" in options else 3
    assert [record["nit"] for record in watched.history] == [0, *seen]
    assert seen == list(range(a_pass, plain.nit + 1, a_pass))


def test_maxiter_and_residual():
    short = coordinate_descent(A, B, maxiter=3, rtol=1e-12)
    assert short.status is Status.MAXITER and short.nit == 3
    assert short.residual == pytest.approx(np.linalg.norm(A @ short.x - B))
    assert coordinate_descent(A, B, maxiter=0).x.tolist() == [0, 0, 0]


def test_the_same_seed_gives_the_same_steps():
    for rule in ("random", "lipschitz", "shuffled"):
        for block in (1, 2, ("order", 1)):
            one, two = (
                coordinate_descent(A, B, rule=rule, block=block, rng=3, steps=4).x for _ in "ab"
            )
            np.testing.assert_array_equal(one, two)


def test_a_run_goes_on(rng):
    """Steps made in two runs are those of one, the random order included."""
    from linalg_ml._core.precision import Arithmetic
    from linalg_ml.relaxation.coordinate_losses import Quadratic
    from linalg_ml.relaxation.coordinate_method import CoordinateDescent
    from linalg_ml.relaxation.coordinate_problem import CoordinateProblem
    from linalg_ml.relaxation.matrix_columns import as_columns
    from linalg_ml.relaxation.separable import Separable

    arithmetic = Arithmetic(None, B)
    free = Separable(0.0, np.full(3, -np.inf), np.full(3, np.inf))

    def problem():
        loss = Quadratic(as_columns(A, arithmetic), B, tracked=False)
        return CoordinateProblem(loss, free, B, np.random.default_rng(2), np.zeros(3))

    method = CoordinateDescent(rule="shuffled")
    whole = iterate(method, problem(), arithmetic, steps=7)
    posed = problem()
    first = iterate(method, posed, arithmetic, steps=3)
    both = iterate(method, posed, arithmetic, steps=4, state=first)
    np.testing.assert_array_equal(both.solution()[0], whole.solution()[0])
    assert both.nit == 7


def test_results_pickle_and_methods_print():
    result = coordinate_descent(A, B, rule="gsl", block=("sort", 2))
    assert pickle.loads(pickle.dumps(result)).objective == result.objective
    from linalg_ml.relaxation.coordinate_method import CoordinateDescent

    assert eval(repr(result.method), {"CoordinateDescent": CoordinateDescent}) == result.method


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "ridge"}, "loss must be one of"),
        ({"rule": "greedy"}, "rule must be one of"),
        ({"rule": "lipshitz"}, "did you mean 'lipschitz'"),
        ({"update": "secant"}, "update must be one of"),
        ({"l1": -1.0}, "l1 must be >= 0"),
        ({"lower": 1.0, "upper": 0.0}, "lower must be <= upper, got 1 > 0 at place 0"),
        ({"lower": np.nan}, "lower must hold no NaN"),
        ({"upper": np.zeros(2)}, r"upper must be a number or an array of shape \(3,\)"),
        ({"block": 0}, "block must be at least 1"),
        ({"block": "blue"}, "block must be one of"),
        ({"block": ("sorted", 2)}, "block must be one of"),
        ({"block": [[0, 1], [1, 2]]}, "block must hold each coordinate from 0 to 2 once"),
        ({"block": "forest"}, "needs rule 'random', 'gs' or 'gsl'"),
        ({"block": "trees", "loss": "least-squares"}, "needs loss='quadratic'"),
        ({"norm": 3}, "norm must be 1 or 2"),
        ({"x0": np.zeros(2)}, r"x0 must have shape \(3,\)"),
        ({"loss": "logistic"}, "labels 1 and -1"),
        ({"loss": "logistic", "b": np.array([0, 1, 1])}, "labels 1 and -1"),
        ({"loss": "softmax"}, "classes as integers from 0"),
        ({"loss": "logistic", "update": "exact"}, "needs a quadratic loss"),
        ({"update": "two-metric", "l1": 1.0}, "only where lower >= 0"),
        ({"steps": 2, "rtol": 1e-3}, "steps runs a fixed number"),
        ({"rng": -1}, "rng must be at least 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        coordinate_descent(A, options.pop("b", B), **options)


@pytest.mark.parametrize(
    ("a", "b", "kind", "message"),
    [
        (np.triu(A), B, ValueError, "a must be symmetric"),
        (sp.csr_array(np.triu(A)), B, ValueError, "a must be symmetric"),
        (A[:2], B[:2], ValueError, "a must have shape"),
        (A, B[:2], ValueError, "a must have shape"),
        (A, B[:, None], ValueError, r"b must have shape \(m,\)"),
        (A[None], B, ValueError, "a must have shape"),
        (A * 1j, B, TypeError, "complex"),
        (A, B * 1j, ValueError, "complex"),
        (A, "b", TypeError, "b must be an array"),
        (lambda x: x, B, TypeError, "a must be an array"),
    ],
)
def test_wrong_arrays(a, b, kind, message):
    with pytest.raises(kind, match=message):
        coordinate_descent(a, b)


def test_libraries_are_not_mixed():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="one library"):
        coordinate_descent(torch.asarray(A), B)
    with pytest.raises(TypeError, match="SciPy sparse matrix, but b is a torch array"):
        coordinate_descent(sp.csr_array(A), torch.asarray(B))
