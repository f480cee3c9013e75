"""Compare the derivatives of a problem with finite differences."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, namespace, to_numpy
from linalg_ml.constrained import differences
from linalg_ml.constrained.problem import as_problem, multiplier_array, start_array


@dataclass(frozen=True)
class DerivativeCheck:
    """What `check_derivatives` found.

    Attributes
    ----------
    grad, jac, hess : float
        Largest difference of an entry from finite differences, relative to the largest entry
        of that derivative or 1.
    worst : dict
        For each of them, the indices of the entry that differs most.
    rtol : float
        What was allowed.
    """

    grad: float
    jac: float
    hess: float
    worst: dict
    rtol: float

    @property
    def correct(self):
        """True where every derivative is within ``rtol``."""
        return all(error <= self.rtol for error in (self.grad, self.jac, self.hess))


@np.errstate(all="ignore")
def check_derivatives(problem, x, /, *, multipliers=None, rtol=1e-5):
    """Compare the gradient, Jacobian and Hessian of a problem with finite differences.

    Parameters
    ----------
    problem : EqualityProblem
        Or an object with its functions.
    x : array of shape (n,)
        Where; a point without special values, such as random numbers, shows more than zeros do.
    multipliers : array of shape (m,), optional
        Of the Lagrangian whose Hessian is compared; 1, 2, ..., m if None, so that Hessians of
        constraints in the wrong order are noticed.
    rtol : float
        Allowed relative error of an entry. For float32, in which differences are no better than
        about 1e-4, allow 1e-3.

    Returns
    -------
    DerivativeCheck
        ``correct`` says whether all is well, ``grad``, ``jac``, ``hess`` by how much each is
        off, and ``worst`` where.

    Raises
    ------
    UserFunctionError
        Where a function is not finite or not differentiable near x.

    Notes
    -----
    Central differences of fourth order: of f, of c, and of the problem's own first derivatives.
    In double precision they agree with the truth to about 1e-11. A derivative that comes from
    finite differences itself is compared all the same.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import EqualityProblem
    >>> from linalg_ml.constrained import check_derivatives
    >>> problem = EqualityProblem(
    ...     lambda x: x[0] ** 2 + x[1],
    ...     lambda x: np.stack([x[0] * x[1]]),
    ...     grad=lambda x: np.array([2 * x[0], 1.0]),
    ...     jac=lambda x: np.array([[x[1], 2 * x[0]]]),
    ... )
    >>> found = check_derivatives(problem, np.array([0.7, 0.3]))
    >>> found.correct, found.worst["jac"], round(found.jac, 6)
    (False, (0, 1), 0.7)
    """
    problem = as_problem(problem)
    rtol = checks.number(rtol, "rtol", minimum=0)
    x = start_array(x, "x")
    xp = namespace(x)
    m = problem.constraints(x).shape[0]
    if multipliers is None:
        multipliers = astype(xp.arange(1, m + 1), x.dtype)
    else:
        multipliers = multiplier_array(multipliers, x, m)
    compared = {
        "grad": (problem.gradient(x), differences.jacobian(problem.value, x, "fun")),
        "jac": (problem.jacobian(x), differences.jacobian(problem.constraints, x, "con")),
        "hess": (
            problem.hessian(x, multipliers),
            differences.jacobian(
                lambda y: problem.lagrangian_gradient(y, multipliers), x, "grad or jac"
            ),
        ),
    }
    errors, worst = {}, {}
    for name, (given, reference) in compared.items():
        errors[name], worst[name] = _difference(to_numpy(given), to_numpy(reference))
    return DerivativeCheck(**errors, worst=worst, rtol=rtol)


def _difference(given, reference):
    """Return the largest relative difference and its indices; infinite where NaN was given."""
    if given.shape != reference.shape:
        raise ValueError(f"jac(x) must have shape {reference.shape}, got shape {given.shape}")
    if given.size == 0:
        return 0.0, ()
    size = max(1.0, float(np.max(np.abs(reference))))
    difference = np.abs(given - reference) / size
    difference = np.where(np.isnan(difference), np.inf, difference)
    place = np.unravel_index(np.argmax(difference), difference.shape)
    return float(difference[place]), tuple(int(i) for i in place)
