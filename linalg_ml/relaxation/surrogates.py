"""How many sweeps or steps theory expects: spectral radii, bounds and surrogate costs.

The symbols are those of Khodak, Chow, Balcan and Talwalkar, "Learning to Relax: Setting Solver
Parameters Across a Sequence of Linear System Instances", 2024, arXiv 2310.02246. A = D + L + L^T is
symmetric positive definite; beta is the spectral radius of the Jacobi iteration I - D^-1 A. Every
function of omega takes a number or an array. Matrices are full or SciPy sparse, and small: they
are worked on as full arrays in double precision.
"""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse


def sor_radius(omega, beta):
    """Compute the spectral radius of SOR for a consistently ordered matrix.

    Parameters
    ----------
    omega : float or array
    beta : float
        Spectral radius of the Jacobi iteration.

    Returns
    -------
    array
        (omega beta + sqrt(omega^2 beta^2 - 4 (omega - 1)))^2 / 4 below Young's optimum, omega - 1
        from there on.

    Examples
    --------
    >>> from linalg_ml.relaxation import surrogates
    >>> surrogates.sor_radius([1.0, 1.5, 1.9], 0.9).round(4)
    array([0.81, 0.5 , 0.9 ])
    """
    omega = np.asarray(omega, dtype=float)
    square = (omega * beta) ** 2 - 4 * (omega - 1)
    below = (omega * beta + np.sqrt(np.maximum(square, 0))) ** 2 / 4
    return np.where(square > 0, below, omega - 1)


def sweeps_asymptotic(omega, beta, rtol):
    """Compute log(rtol) / log(spectral radius), which is no bound: SOR is not normal.

    Parameters
    ----------
    omega : float or array
    beta : float
    rtol : float
        Reduction of the residual.

    Returns
    -------
    array
    """
    return np.log(rtol) / np.log(sor_radius(omega, beta))


def sweeps_surrogate(omega, beta, tau, rtol):
    """Compute U(omega), a bound on the sweeps of SOR while it is near its asymptotic rate.

    Parameters
    ----------
    omega : float or array
    beta : float
    tau : float
        Asymptocity: ||C^k|| <= (rho + tau (1 - rho))^k for the last k before convergence.
    rtol : float
        Reduction of the residual.

    Returns
    -------
    array
        1 + log(rtol) / log(rho + tau (1 - rho)), rho the spectral radius.

    Examples
    --------
    >>> from linalg_ml.relaxation import surrogates
    >>> surrogates.sweeps_surrogate([1.0, 1.6], 0.959492973614, 0.189516, 1e-8).round(2)
    array([278.03,  48.01])
    """
    radius = sor_radius(omega, beta)
    return 1 + np.log(rtol) / np.log(radius + tau * (1 - radius))


def surrogate_bound(omega_max, beta, tau, rtol):
    """Compute the largest value and the semi-Lipschitz constant of U on (0, omega_max].

    Parameters
    ----------
    omega_max : float
        At least Young's optimum.
    beta, tau, rtol : float

    Returns
    -------
    bound, lipschitz : float
        1 + log(rtol) / log(alpha), and (1 - tau) log(1 / rtol) / (alpha log^2 alpha) with
        alpha = tau + (1 - tau) max(beta^2, omega_max - 1). The constant holds from Young's optimum
        on, if tau >= e^-2 or beta^2 >= 4 e^-2 (1 - e^-2).
    """
    alpha = tau + (1 - tau) * max(beta**2, omega_max - 1)
    log = np.log(alpha)
    return float(1 + np.log(rtol) / log), float((1 - tau) * -np.log(rtol) / (alpha * log**2))


def defect_matrix(a, omega, sweep="forward"):
    """Return C with r_k = C^k r_0 for the residuals of SOR.

    Parameters
    ----------
    a : array or sparse matrix (n, n)
    omega : float
    sweep : {"forward", "backward", "symmetric"}

    Returns
    -------
    array of shape (n, n)
        I - A W^-1, W = D / omega + L; for symmetric sweeps with Ws for W.
    """
    checks.choice(sweep, ("forward", "backward", "symmetric"), "sweep")
    a = _full(a)
    diagonal = np.diag(np.diag(a))
    w = diagonal / omega + (np.triu(a, 1) if sweep == "backward" else np.tril(a, -1))
    if sweep == "symmetric":
        upper = diagonal / omega + np.triu(a, 1)
        w = omega / (2 - omega) * w @ (upper / np.diag(a)[:, None])
    return np.eye(len(a)) - np.linalg.solve(w.T, a.T).T


def asymptocity(a, omega, sweeps, beta):
    """Compute how far above its asymptotic rate SOR is after some sweeps.

    Parameters
    ----------
    a : array or sparse matrix (n, n)
    omega : float
    sweeps : int
        How many sweeps SOR takes to converge.
    beta : float

    Returns
    -------
    float
        e / (1 - rho) with e = ||C^k||_2^(1/k) - rho at k = sweeps - 1; the largest over all omega
        in use is tau. -rho / (1 - rho) where one sweep is enough.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import GridLaplacian, surrogates
    >>> a = GridLaplacian((10, 10))
    >>> beta, a = a.jacobi_radius, a.matvec(np.eye(100))
    >>> round(surrogates.asymptocity(a, 1.0, 201, beta), 4)
    0.0049
    """
    radius = float(sor_radius(omega, beta))
    power = np.linalg.matrix_power(defect_matrix(a, omega), max(sweeps - 1, 0))
    rate = np.linalg.norm(power, 2) ** (1 / (sweeps - 1)) if sweeps > 1 else 0.0
    return float((rate - radius) / (1 - radius))


def strict_radius(a):
    """Compute the spectral radius of D^-1 L D^-1 L^T, at most 1/4 for model problems.

    Parameters
    ----------
    a : array or sparse matrix (n, n)

    Returns
    -------
    float
    """
    a = _full(a)
    root = np.sqrt(np.diag(a))
    scaled = np.tril(a, -1) / np.outer(root, root)
    return float(np.linalg.norm(scaled, 2) ** 2)


def energy_norm(omega, beta, strict, *, published=False):
    """Compute a bound on the energy norm of the error iteration of SOR.

    Parameters
    ----------
    omega : float or array
    beta : float
    strict : float
        `strict_radius` of the matrix.
    published : bool
        Use the formula as it is in print (theorem D.1 of the paper), which takes 1 - beta for
        1 + beta where s below is negative and is then no bound.

    Returns
    -------
    array
        nu with ||x_k - x||_A <= nu^k ||x_0 - x||_A:
        nu^2 = 1 - 2 w / (1 / omega + s / gamma), w = (2 - omega) / (2 omega),
        s = w^2 + strict - 1/4, gamma = 1 - beta where s >= 0 and 1 + beta where s < 0.

    Notes
    -----
    1 - nu^2 = 2 w / max_x x^T W D^-1 W^T x / x^T A x with W = D / omega + L, and
    W D^-1 W^T = w^2 D + A / omega + L D^-1 L^T - D / 4. What is added to A / omega is at most s D,
    and x^T D x / x^T A x lies between 1 / (1 + beta) and 1 / (1 - beta): which end is the worse one
    depends on the sign of s.

    Examples
    --------
    >>> from linalg_ml.relaxation import surrogates
    >>> surrogates.energy_norm([1.0, 1.9], 0.959492973614, 0.243882).round(6)
    array([0.926048, 0.948405])
    """
    omega = np.asarray(omega, dtype=float)
    w = (2 - omega) / (2 * omega)
    s = w**2 + strict - 0.25
    gamma = np.where((s >= 0) | published, 1 - beta, 1 + beta)
    return np.sqrt(1 - 2 * w / (1 / omega + s / gamma))


def sweeps_energy(nu, condition, rtol):
    """Compute log(rtol / (2 sqrt(condition))) / log(nu), a bound on the sweeps.

    Parameters
    ----------
    nu : float or array
        `energy_norm`.
    condition : float
        Condition number of A.
    rtol : float
        Reduction of the residual.

    Returns
    -------
    array
    """
    return np.log(rtol / (2 * np.sqrt(condition))) / np.log(nu)


def ssor_constants(a):
    """Compute what the bound on SSOR-preconditioned CG needs to know of the matrix.

    Parameters
    ----------
    a : array or sparse matrix (n, n)

    Returns
    -------
    mu, nu, condition : float
        The largest eigenvalues of D A^-1 (at least 1) and of (L D^-1 L^T - D / 4) A^-1 (between
        -1/4 and 0 for model problems), and the condition number of A.
    """
    from scipy.linalg import eigvalsh

    a = _full(a)
    diagonal = np.diag(a)
    strict = np.tril(a, -1)
    middle = (strict / diagonal) @ strict.T - np.diag(diagonal / 4)
    values = np.linalg.eigvalsh(a)
    mu = eigvalsh(np.diag(diagonal), a)[-1]
    nu = eigvalsh((middle + middle.T) / 2, a)[-1]
    return float(mu), float(nu), float(values[-1] / values[0])


def ssor_condition(omega, mu, nu):
    """Compute the bound on the condition number of A with the SSOR preconditioner.

    Parameters
    ----------
    omega : float or array
    mu, nu : float
        See `ssor_constants`.

    Returns
    -------
    array
        (1 + mu (2 - omega)^2 / (4 omega) + omega nu) / (2 - omega) (Axelsson, 1994, theorem 7.17).

    Examples
    --------
    >>> from linalg_ml.relaxation import surrogates
    >>> surrogates.ssor_condition([1.0, 1.6], 24.687075039, -0.003522141637).round(4)
    array([7.1682, 4.0289])
    """
    omega = np.asarray(omega, dtype=float)
    return (1 + mu * (2 - omega) ** 2 / (4 * omega) + omega * nu) / (2 - omega)


def cg_surrogate(omega, mu, nu, condition, rtol, tau=1.0):
    """Compute U_CG(omega), a surrogate for the steps of SSOR-preconditioned CG.

    Parameters
    ----------
    omega : float or array
    mu, nu, condition : float
        See `ssor_constants`.
    rtol : float
        ||r|| / ||b|| at the end.
    tau : float
        Between 0 and 1; with 1 it is a bound.

    Returns
    -------
    array
        1 + tau log(sqrt(condition) / rtol + sqrt(condition / rtol^2 - 1))
        / -log(1 - 2 / (1 + sqrt(kappa))), kappa the bound of `ssor_condition`.
    """
    root = np.sqrt(ssor_condition(omega, mu, nu))
    start = np.log(np.sqrt(condition) / rtol + np.sqrt(condition / rtol**2 - 1))
    return 1 + tau * start / -np.log(1 - 2 / (1 + root))


def optimal_cg_omega(mu, nu):
    """Compute the omega that minimises `ssor_condition` and with it `cg_surrogate`.

    Parameters
    ----------
    mu, nu : float
        See `ssor_constants`.

    Returns
    -------
    float
        2 / (1 + sqrt((2 / mu) (1 + 2 nu))).

    Examples
    --------
    >>> from linalg_ml.relaxation import surrogates
    >>> round(surrogates.optimal_cg_omega(24.687075039, -0.003522141637), 6)
    1.558087
    """
    return float(2 / (1 + np.sqrt(2 / mu * (1 + 2 * nu))))


def _full(a):
    a = np.asarray(a.toarray() if is_sparse(a) else a, dtype=float)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"a must have shape (n, n), got shape {a.shape}")
    return a
