"""Coordinate descent against other solvers, by its invariants, and at the edges."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
import scipy.special

from linalg_ml import Status, coordinate_descent
from linalg_ml.problems import sparse_least_squares
from linalg_ml.relaxation.block_quadratic import proximal_newton_point
from linalg_ml.relaxation.block_selection import RULES
from linalg_ml.relaxation.block_updates import _minimise_model
from linalg_ml.relaxation.separable import Separable

GRADIENT = {"rtol": 1e-9}


def spd(n, rng, condition=20.0):
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    a = (q * np.geomspace(1, condition, n)) @ q.T
    return (a + a.T) / 2


@pytest.fixture
def system(rng):
    return spd(12, rng), rng.standard_normal(12)


# Every way to solve the same systems


BLOCKS = [1, 3, ("order", 3), ("sort", 4), ("average", 5)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_rules_and_blocks_of_a_quadratic(system, rule, block):
    a, b = system
    result = coordinate_descent(a, b, rule=rule, block=block, rng=0, **GRADIENT)
    assert result.converged
    np.testing.assert_allclose(result.x, np.linalg.solve(a, b), rtol=1e-7, atol=1e-8)
    assert result.objective == pytest.approx(-0.5 * b @ result.x, rel=1e-9)


@pytest.mark.parametrize("update", ["gradient", "adaptive", "matrix", "exact", "newton"])
@pytest.mark.parametrize("storage", [np.asarray, sp.coo_matrix])
@pytest.mark.parametrize("loss", ["quadratic", "least-squares"])
def test_updates_and_storages(system, update, storage, loss, rng):
    a, b = system
    if loss == "least-squares":
        a, b = rng.standard_normal((40, 12)), rng.standard_normal(40)
        x = np.linalg.lstsq(a, b)[0]
    else:
        x = np.linalg.solve(a, b)
    for block, rule in ((1, "shuffled"), (4, "gsl"), (("sort", 4), "cyclic")):
        result = coordinate_descent(
            storage(a), b, loss=loss, update=update, rule=rule, block=block, rng=0, maxiter=20000,
            **GRADIENT,
        )  # fmt: skip
        assert result.converged
        np.testing.assert_allclose(result.x, x, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rule", ["gs", "gsl", "gsd", "gsd-gershgorin"])
@pytest.mark.parametrize("l1", [0.0, 0.3])
def test_the_compiled_loops_make_the_same_steps(system, rule, l1):
    """A sparse matrix runs in a compiled loop, a dense one does not where the rule is greedy."""
    a, b = system
    options = {"rule": rule, "l1": l1, "lower": -0.2, "steps": 25}
    compiled = coordinate_descent(sp.csr_array(a), b, **options)
    plain = coordinate_descent(a, b, **options)
    assert type(compiled.method) is not type(plain.method)
    np.testing.assert_allclose(compiled.x, plain.x, rtol=1e-12, atol=1e-14)
    assert compiled.settled == plain.settled
    assert compiled.support.tolist() == plain.support.tolist()


@pytest.mark.parametrize("loss", ["quadratic", "least-squares"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csc_array])
def test_cyclic_steps_are_those_of_gauss_seidel(system, loss, storage):
    a, b = system
    x = np.zeros(12)
    h, c = (a, b) if loss == "quadratic" else (a.T @ a, a.T @ b)
    for i in [*range(12), *range(7)]:
        x[i] += (c[i] - h[i] @ x) / h[i, i]
    for update in ("exact", "newton"):  # the one is compiled
        result = coordinate_descent(storage(a), b, loss=loss, steps=19, update=update)
        np.testing.assert_allclose(result.x, x, rtol=1e-11, atol=1e-13, err_msg=update)


# Semidefinite quadratics


def weighted_tree(n, rng):
    """Return the Laplacian of a random tree: its null space is that of the constants."""
    parents = [rng.integers(i) for i in range(1, n)]
    edges = sp.csr_array((np.ones(n - 1), (np.arange(1, n), parents)), shape=(n, n))
    edges.data = rng.uniform(0.1, 10, n - 1)
    edges = edges + edges.T
    return sp.csr_array(sp.diags_array(edges.sum(axis=1)) - edges)


TREES = [{"block": "trees"}, {"block": "forest", "rule": "gs"}, {"block": 60}]


@pytest.mark.parametrize("options", TREES, ids=str)
@pytest.mark.parametrize("storage", [sp.csr_array, lambda a: a.toarray()], ids=["sparse", "dense"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_trees_of_a_semidefinite_quadratic(options, storage, dtype, rng):
    """The elimination leaves a variable alone whose pivot and gradient are rounding."""
    for seed in range(5):
        a = weighted_tree(60, np.random.default_rng(seed)).astype(dtype)
        b = (a @ rng.standard_normal(60)).astype(dtype)
        for x0 in (None, 100 * rng.standard_normal(60).astype(dtype)):
            result = coordinate_descent(storage(a), b, x0=x0, **options)
            assert result.converged
            np.testing.assert_allclose(a @ result.x, b, atol=1e-3 * np.linalg.norm(b))
            assert np.abs(result.x).max() < 1e3


def test_a_path_without_fixed_ends():
    n = 10
    ends = np.r_[1.0, np.full(n - 2, 2.0), 1.0]
    off = np.full(n - 1, -1.0)
    a = sp.diags_array([off, ends, off], offsets=[-1, 0, 1]).tocsr()
    b = np.arange(n) - 4.5
    for options in TREES:
        assert coordinate_descent(a, b, **options).converged
        endless = coordinate_descent(a, b + 1, **options)
        assert endless.status is Status.DIVERGED
    isolated = sp.block_diag([a, np.zeros((1, 1))]).tocsr()
    result = coordinate_descent(isolated, np.r_[b, 0], block="trees")
    assert result.converged and result.x[-1] == 0


def test_a_tree_block_that_is_indefinite_is_not_solved_for_its_saddle_point(rng):
    a = weighted_tree(30, rng) - 0.5 * sp.eye_array(30)
    a = sp.csr_array(a + sp.diags_array(np.maximum(0, 0.6 - a.diagonal())))
    result = coordinate_descent(a, rng.standard_normal(30), block="trees")
    assert result.status is Status.DIVERGED


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_ill_conditioned_path_is_not_taken_for_a_singular_one(dtype):
    n = 5000
    diagonal = np.full(n, 2.0, dtype)
    diagonal[-1] = 1
    off = np.full(n - 1, -1, dtype)
    a = sp.diags_array([off, diagonal, off], offsets=[-1, 0, 1]).tocsr()
    result = coordinate_descent(a, np.ones(n, dtype), block="trees")
    assert result.converged


# Other losses


def logistic(x, a, b):
    z = -b * (a @ x)
    return np.logaddexp(0, z).sum(), -(a.T @ (b / (1 + np.exp(-z))))


@pytest.mark.parametrize("update", ["gradient", "adaptive", "matrix", "newton"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_logistic(update, storage, rng):
    a = rng.standard_normal((60, 6))
    b = np.sign(a[:, 0] + 2 * rng.standard_normal(60))
    reference = scipy.optimize.minimize(logistic, np.zeros(6), (a, b), jac=True, tol=1e-12)
    for rule, block in (("gsl", 2), ("cyclic", ("order", 3)), ("random", 1)):
        result = coordinate_descent(
            storage(a), b, loss="logistic", rule=rule, block=block, update=update, rng=0, rtol=1e-7
        )
        assert result.converged
        assert result.objective == pytest.approx(reference.fun, rel=1e-10)
        np.testing.assert_allclose(result.x, reference.x, atol=1e-5)


@pytest.mark.parametrize("update", ["gradient", "adaptive", "matrix", "newton"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_softmax(update, storage, rng):
    a, k = rng.standard_normal((50, 3)), 4
    b = np.argmax(a @ rng.standard_normal((3, k)) + 2 * rng.gumbel(size=(50, k)), axis=1)

    def loss(x):
        z = a @ x.reshape(3, k)
        p = scipy.special.softmax(z, axis=1)
        value = (scipy.special.logsumexp(z, axis=1) - z[np.arange(50), b]).sum()
        p[np.arange(50), b] -= 1
        return value, (a.T @ p).reshape(-1)

    reference = scipy.optimize.minimize(loss, np.zeros(12), jac=True, tol=1e-12)
    for rule, block in (("gsl", 3), ("gsq", ("sort", 4)), ("shuffled", 2)):
        result = coordinate_descent(
            storage(a), b, loss="softmax", rule=rule, block=block, update=update, rng=0, rtol=1e-6
        )
        assert result.converged and result.x.shape == (3, k)
        assert result.objective == pytest.approx(reference.fun, rel=1e-8)


@pytest.mark.parametrize("name", ["logistic", "softmax", "least-squares", "quadratic"])
def test_bounds_of_the_hessian(name, rng):
    """H_b bounds the Hessian, which is that of finite differences; so does diag(D)."""
    from linalg_ml._core.precision import Arithmetic
    from linalg_ml.relaxation.coordinate_losses import LOSSES
    from linalg_ml.relaxation.matrix_columns import as_columns

    a, b = rng.standard_normal((15, 4)), np.sign(rng.standard_normal(15))
    if name == "quadratic":
        a, b = spd(4, rng), b[:4]
    elif name == "softmax":
        b = rng.integers(5, size=15)
        b[0] = 4
    loss = LOSSES[name](as_columns(a, Arithmetic(None, a)), b, tracked=False)
    x = 0.3 * rng.standard_normal(loss.size)
    everything = np.arange(loss.size)
    for index in (everything, np.array([2]), np.array([0, 3]), rng.permutation(loss.size)[:3]):
        columns = loss.columns(index)
        hessian = loss.hessian(loss.start(x.copy()), columns)
        numeric = np.empty_like(hessian)
        for k, i in enumerate(index):
            step = np.zeros(loss.size)
            step[i] = 1e-5
            up, down = (loss.gradient(loss.start(x + s * step))[index] for s in (1, -1))
            numeric[:, k] = (up - down) / 2e-5
        np.testing.assert_allclose(hessian, numeric, atol=1e-6 * np.abs(hessian).max())
        bound = loss.bound(columns)
        assert np.linalg.eigvalsh(bound - hessian).min() > -1e-10
        assert np.all(np.diagonal(bound) <= loss.lipschitz[index] * (1 + 1e-12) * 2)
        diagonal = np.diag(loss.gershgorin[index])
        assert np.linalg.eigvalsh(diagonal - bound).min() > -1e-10
    whole = np.array([loss.apply_bound(row) for row in np.eye(loss.size)])
    if name != "softmax":
        np.testing.assert_allclose(whole, loss.bound(loss.columns(everything)), atol=1e-12)
    assert np.linalg.eigvalsh(whole - loss.bound(loss.columns(everything))).min() > -1e-10


# The progress that the rules promise


def promised(h, g, index):
    return g[index] @ np.linalg.solve(h[np.ix_(index, index)], g[index])


@pytest.mark.parametrize("seed", range(3))
def test_greedy_rules_pick_what_they_say(seed):
    rng = np.random.default_rng(seed)
    scale = np.geomspace(1, 30, 12)[rng.permutation(12)]
    a = scale[:, None] * spd(12, rng) * scale
    b = rng.standard_normal(12)
    blocks = [np.arange(k, k + 3) for k in range(0, 12, 3)]
    constants = np.array([np.linalg.eigvalsh(a[np.ix_(i, i)])[-1] for i in blocks])
    best = {
        "gs": [np.linalg.norm(b[i]) for i in blocks],
        "gsl": [np.linalg.norm(b[i]) / np.sqrt(c) for i, c in zip(blocks, constants, strict=True)],
        "gsd": [(b[i] ** 2 / np.diagonal(a)[i]).sum() for i in blocks],
        "gsd-gershgorin": [(b[i] ** 2 / np.abs(a[np.ix_(i, i)]).sum(1)).sum() for i in blocks],
        "gsq": [promised(a, b, i) for i in blocks],
    }
    drop = {}
    for rule, scores in best.items():
        result = coordinate_descent(a, b, rule=rule, block=("order", 3), steps=1)
        assert np.flatnonzero(result.x).tolist() == blocks[int(np.argmax(scores))].tolist()
        drop[rule] = -result.objective
        by_sums = coordinate_descent(a, b, rule=rule, block=("order", 3), steps=1, norm=1)
        if rule == "gs":
            i = blocks[int(np.argmax([np.abs(b[i]).sum() for i in blocks]))]
            assert np.flatnonzero(by_sums.x).tolist() == i.tolist()
    assert drop["gsq"] == max(drop.values())
    variable = {
        rule: -coordinate_descent(a, b, rule=rule, block=4, steps=1).objective
        for rule in ("gs", "gsl", "gsq")
    }
    assert variable["gsq"] >= variable["gsl"] * (1 - 1e-12)


def test_block_updates_keep_their_promises(rng):
    """From one point: exact >= matrix bound >= gradient step >= its guaranteed decrease."""
    a, b = spd(10, rng, 100.0), rng.standard_normal(10)
    index = [0, 3, 4, 7]
    rest = [i for i in range(10) if i not in index]
    drop = {
        update: -coordinate_descent(a, b, block=[index, rest], update=update, steps=1).objective
        for update in ("gradient", "matrix", "exact", "adaptive", "newton")
    }
    constant = np.linalg.eigvalsh(a[np.ix_(index, index)])[-1]
    promise = (b[index] ** 2).sum() / (2 * constant)
    assert drop["gradient"] >= promise * (1 - 1e-12)
    assert drop["exact"] == pytest.approx(promised(a, b, index) / 2)
    assert drop["matrix"] == pytest.approx(drop["exact"])
    assert drop["newton"] == pytest.approx(drop["exact"])
    assert drop["exact"] >= max(drop["adaptive"], drop["gradient"])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("update", ["gradient", "adaptive", "exact", "newton"])
def test_the_objective_never_rises(rule, update, rng):
    a, b = rng.standard_normal((15, 20)), rng.standard_normal(15)
    result = coordinate_descent(
        a, b, loss="least-squares", rule=rule, block=3, update=update, l1=0.5, lower=-0.3, rng=1,
        steps=40, history=True,
    )  # fmt: skip
    values = np.array([record["objective"] for record in result.history])
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    assert values[-1] < values[0]


def test_lipschitz_sampling(rng):
    a = np.diag([1.0, 3.0, 0.0, 6.0])
    counts = np.zeros(4)
    for seed in range(300):
        x = coordinate_descent(a, np.r_[1.0, 1, 0, 1], rule="lipschitz", steps=1, rng=seed).x
        counts += x != 0
    assert counts[2] == 0
    np.testing.assert_allclose(counts[[0, 1, 3]] / 300, [0.1, 0.3, 0.6], atol=0.09)


def test_lipschitz_sampling_of_fixed_blocks():
    """In proportion to the largest eigenvalue of each block: 1 + 4 and 1 + 0."""
    a = np.ones((4, 4)) * 0.0
    a[:2, :2] = [[1, 4], [4, 17]]
    a[2:, 2:] = np.eye(2)
    constant = np.linalg.eigvalsh(a[:2, :2])[-1]
    rng, first = np.random.default_rng(0), 0
    for _ in range(400):
        x = coordinate_descent(
            a, np.ones(4), rule="lipschitz", block=("order", 2), steps=1, rng=rng
        ).x
        first += x[2] == 0
    assert first / 400 == pytest.approx(constant / (constant + 1), abs=0.03)


def test_gsd_weighs_the_size_of_the_block():
    """Of two blocks with like gradients the smaller is the better bet for its bound |b| L_i."""
    a, b = np.eye(4), np.array([1.0, 1.0, 1.0, 1.6])
    blocks = [[0, 1, 2], [3]]
    x = coordinate_descent(a, b, rule="gsd", block=blocks, steps=1).x
    assert np.flatnonzero(x).tolist() == [3]
    x = coordinate_descent(a, b, rule="gsl", block=blocks, steps=1).x
    assert np.flatnonzero(x).tolist() == [0, 1, 2]


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["quadratic", "least-squares"])
def test_compiled_blind_rules_settle_when_the_plain_loop_does(system, storage, loss):
    a, b = system
    options = {"loss": loss, "l1": 0.4, "lower": -0.2, "steps": 60, "rng": 5, "rule": "shuffled"}
    compiled = coordinate_descent(storage(a), b, update="exact", **options)
    plain = coordinate_descent(storage(a), b, update="newton", block=("order", 1), **options)
    assert type(compiled.method) is not type(plain.method)
    np.testing.assert_allclose(compiled.x, plain.x, rtol=1e-10, atol=1e-13)
    assert compiled.settled == plain.settled > 1


@pytest.mark.parametrize("loss", ["quadratic", "least-squares", "logistic"])
def test_the_exact_measure_starts_from_x(loss, rng):
    """What the recurrences hold may drift; a confirmation does not look at it."""
    from linalg_ml._core.precision import Arithmetic
    from linalg_ml.relaxation.coordinate_losses import LOSSES
    from linalg_ml.relaxation.coordinate_method import CoordinateDescent
    from linalg_ml.relaxation.coordinate_problem import CoordinateProblem
    from linalg_ml.relaxation.matrix_columns import as_columns
    from linalg_ml.relaxation.separable import Separable

    a, b = spd(5, rng), np.sign(rng.standard_normal(5))
    arithmetic = Arithmetic(None, a)
    smooth = LOSSES[loss](as_columns(a, arithmetic), b, tracked=True)
    free = Separable(0.0, np.full(5, -np.inf), np.full(5, np.inf))
    problem = CoordinateProblem(smooth, free, b, rng, np.zeros(5))
    method = CoordinateDescent(rule="gs", update="matrix")
    state = method.init(problem, arithmetic, None)
    right = method.measure(problem, state, arithmetic, True)["residual"]
    state.point.gradient = 0 * state.point.gradient
    assert method.measure(problem, state, arithmetic, False)["residual"] == 0
    assert method.measure(problem, state, arithmetic, True)["residual"] == right > 0
    state = method.refresh(problem, state, arithmetic)
    assert method.measure(problem, state, arithmetic, False)["residual"] == right


def test_a_shuffled_pass_meets_every_coordinate_once(rng):
    a, b = np.diag(rng.uniform(1, 2, 10)), rng.uniform(1, 2, 10)
    for block, steps in ((1, 10), (2, 5)):
        x = coordinate_descent(a, b, rule="shuffled", block=block, steps=steps, rng=0).x
        np.testing.assert_allclose(x, b / np.diagonal(a))


# Bounds and l1


BLOCKWISE = [("cyclic", 1), ("gsq", 1), ("gsq", 5), ("gsl", 5), ("shuffled", ("sort", 4))]


@pytest.mark.parametrize(("rule", "block"), BLOCKWISE)
@pytest.mark.parametrize("update", ["gradient", "adaptive", "matrix", "newton", "two-metric"])
def test_bounds_against_scipy(rule, block, update, rng):
    a, b = rng.standard_normal((30, 12)), rng.standard_normal(30)
    lower, upper = -0.1 * rng.uniform(0, 1, 12), np.full(12, 0.08)
    reference = scipy.optimize.lsq_linear(a, b, (lower, upper), tol=1e-14)
    result = coordinate_descent(
        a, b, loss="least-squares", rule=rule, block=block, update=update, lower=lower,
        upper=upper, rng=0, rtol=1e-8,
    )  # fmt: skip
    assert result.converged
    np.testing.assert_allclose(result.x, reference.x, atol=1e-7)
    assert np.all((result.x >= lower) & (result.x <= upper))
    assert result.support.tolist() == np.flatnonzero(reference.active_mask == 0).tolist()


def check_l1(a, b, x, l1):
    """Assert the optimality conditions of ||A x - b||^2 / 2 + l1 ||x||_1."""
    g = a.T @ (a @ x - b)
    free = x != 0
    np.testing.assert_allclose(g[free], -l1 * np.sign(x[free]), atol=1e-6 * l1)
    assert np.all(np.abs(g[~free]) <= l1 * (1 + 1e-6))


@pytest.mark.parametrize(("rule", "block"), BLOCKWISE)
@pytest.mark.parametrize("update", ["gradient", "matrix", "newton"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_l1_satisfies_the_optimality_conditions(rule, block, update, storage, rng):
    a, b = rng.standard_normal((25, 40)), rng.standard_normal(25)
    l1 = 0.3 * np.abs(a.T @ b).max()
    result = coordinate_descent(
        storage(a), b, loss="least-squares", l1=l1, rule=rule, block=block, update=update, rng=0,
        rtol=1e-8,
    )  # fmt: skip
    assert result.converged
    check_l1(a, b, result.x, l1)
    assert result.support.tolist() == np.flatnonzero(result.x).tolist()
    assert 0 < result.support.size < 25 and 0 < result.settled <= result.nit


def test_l1_at_and_above_the_largest_slope(rng):
    a, b = rng.standard_normal((10, 6)), rng.standard_normal(10)
    l1 = np.abs(a.T @ b).max()
    assert coordinate_descent(a, b, loss="least-squares", l1=l1 * 1.001).x.tolist() == [0] * 6
    some = coordinate_descent(a, b, loss="least-squares", l1=l1 * 0.9, rtol=1e-10)
    assert some.support.size >= 1


def test_l1_logistic_and_softmax(rng):
    a = rng.standard_normal((40, 10))
    b = np.sign(a[:, 0] + rng.standard_normal(40))
    x = coordinate_descent(a, b, loss="logistic", l1=3.0, update="newton", block=3, rule="gsl").x
    g = logistic(x, a, b)[1]
    np.testing.assert_allclose(g[x != 0], -3 * np.sign(x[x != 0]), atol=1e-4)
    assert np.all(np.abs(g[x == 0]) <= 3) and 0 < np.count_nonzero(x) < 10


def test_the_support_settles_and_the_newton_step_finishes():
    """Greedy blocks as large as the support end in a few steps; gradient steps do not."""
    a, b = sparse_least_squares(200, 400)
    l1 = 0.05 * np.abs(a.T @ b).max()
    nit = {}
    for update in ("exact", "two-metric", "gradient"):
        result = coordinate_descent(
            a, b, loss="least-squares", l1=l1, lower=0.0, rule="gsq", block=40, update=update,
            rtol=1e-10, check_every=1,
        )  # fmt: skip
        assert result.converged and 10 < result.support.size <= 40
        nit[update] = result.nit
        if update == "exact":
            assert result.nit - result.settled <= 2
    assert nit["exact"] < nit["two-metric"] < 0.5 * nit["gradient"]


def test_block_problems_are_solved_to_the_end(rng):
    """The active-set method against a long run of single coordinates."""
    for condition, l1 in ((10, 0.0), (1e6, 0.0), (1e6, 0.2), (1e3, 1.0)):
        h, slope = spd(15, rng, condition), rng.standard_normal(15)
        part = Separable(l1, np.full(15, -0.5), np.r_[np.full(8, 0.1), np.full(7, np.inf)])
        x = np.clip(rng.standard_normal(15), part.lower, part.upper)
        y = proximal_newton_point(h, slope, x, part)
        step = part.step(y, slope + h @ (y - x), np.diagonal(h))
        assert np.max(np.abs(step) * np.diagonal(h)) < 1e-12 * condition
        assert np.all((y >= part.lower) & (y <= part.upper))


@pytest.mark.parametrize("h", [0.0, 1e-3, 2.0])
def test_a_single_coordinate_is_a_small_block(rng, h):
    """Its closed form is what the method for blocks finds, and where H vanishes that one runs."""
    part = Separable(0.7, np.array([-1.0]), np.array([1.5]))
    problem = SimpleNamespace(part=part)
    for _ in range(50):
        x, g, model = rng.uniform(-1, 1.5, 1), 3 * rng.standard_normal(1), np.array([[h]])
        point, block = SimpleNamespace(x=x), SimpleNamespace(index=np.array([0]))
        y = _minimise_model(problem, point, block, model, g)
        np.testing.assert_allclose(y, proximal_newton_point(model, g, x, part), atol=1e-12)


def test_a_residual_above_its_least_while_the_objective_falls():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((30, 80)) * np.geomspace(1, 100, 80)
    b = a[:, :5] @ rng.standard_normal(5) + 0.1 * rng.standard_normal(30)
    l1 = 1e-3 * np.abs(a.T @ b).max()
    result = coordinate_descent(a, b, loss="least-squares", l1=l1, maxiter=2000 * 80)
    assert result.converged
