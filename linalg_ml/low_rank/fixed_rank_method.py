"""What the methods share that are told the rank."""

from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import leading_pairs
from linalg_ml.low_rank.singular_value_thresholding import truncate_singular_values

_NORM_ACCURACY = 1e-3


class FixedRankMethod(Method):
    """A method that knows the rank; its residual is that of the constraint."""

    formulation = "fixed rank"
    criterion = "||P(M - L - S)||_F"
    default_rtol = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1e-2}  # noqa: RUF012

    def scale(self, problem, arithmetic):
        """Return ||P M||_F."""
        return problem.norm * problem.unit

    def patience(self, problem, arithmetic):
        """Give up after 50 checks without progress."""
        return 20, 50


def is_trivial(problem):
    """Say whether the answer is L = 0: rank 0, or a matrix of zeros."""
    return problem.rank == 0 or problem.norm == 0


def largest_singular_value(a, problem):
    """Return ||A||_2 to three digits."""
    _, s, _, _ = leading_pairs(a, 1, problem.wide, problem.rng, accuracy=_NORM_ACCURACY)
    return host(s[0])


def best_of_rank(a, problem, arithmetic, previous=None):
    """Return the factors u, s, vh of nearly the best approximation of the rank of the problem.

    Fewer than that where A has a lower rank.
    """
    return truncate_singular_values(
        a, problem.rank, arithmetic, "randomized", rng=problem.rng, previous=previous
    )[1]


def cleared(problem, bound):
    """Return P M without its entries above ``bound``, over the share of entries observed."""
    xp, data = problem.xp, problem.data
    clear = xp.where(xp.abs(data) > bound, xp.zeros_like(data), data)
    if problem.mask is None:
        return clear
    return clear * (data.shape[0] * data.shape[1] / problem.observed_count)
