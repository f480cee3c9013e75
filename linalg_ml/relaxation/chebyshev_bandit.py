"""ChebCB: learn the cost of each arm as a function of the context."""

from math import frexp, ldexp, log, pi, sqrt

import numpy as np

from linalg_ml._core import checks
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.tuner import Tuner, context_argument, context_range_argument

# In units of K: what a cost or C L counts as at most. Its square is far from overflow.
_FAR = 1e100
# What the squared errors and the tail of the series count as at least; eta stays finite.
_LEAST = 1e-200


class ChebCB(Tuner):
    """Choose arms by the context, with a Chebyshev series of the cost of each arm.

    Parameters
    ----------
    arms : sequence
        The parameters to choose from, for instance a grid of omega.
    context_range : (float, float)
        The interval of contexts; one outside counts as its nearer end.
    rng : None, int or numpy.random.Generator
    features : int
        Number of Chebyshev polynomials, P_0 to P_(features - 1).
    least_cost : float
        What every solve costs at least; the series is fitted to what it cost above that.
    horizon : int, optional
        Number of rounds, if known, for the constant step size of the theory, see Notes; needs
        ``scale`` and ``lipschitz``.
    scale : float, optional
        K, the largest loss. The largest cost so far if None.
    lipschitz : float, optional
        L, by how much the cost changes at most per unit of context. What lets it fall from the
        largest cost to 0 across the interval if None.

    Notes
    -----
    Let f(c) be the Chebyshev polynomials of the context moved to [-1, 1], C the width of the
    interval, m the number of features and N = 2 + 4 (C L / K) (1 + log m). In each round:

    1. arm i has s_i = theta_i^T f(c), the predicted loss in units of K N, and is drawn with
       p_i = 1 / (d + eta (s_i - min s)); the best arm has what is left (inverse gaps, [2]_);
    2. the arm played is fitted again: theta_i minimises the squared error over its own rounds,
       subject to |theta_0| <= 1 / N and |theta_j| <= 2 C L / (K N j). The unconstrained solution
       of least norm is taken where it meets the bounds. A change of K fits all arms again;
    3. eta = 2 t sqrt(d t / (R - res + 2 alpha^2 t)), R the squared error of all predictions so
       far, res that of the last constrained fit, and
       alpha = C L (pi + (2 / pi) log(2 m + 1)) / (2 K N (m + 1)).

    These are the settings of the experiments in [1]_, which count iterations with
    ``least_cost=1``; they have no parameter to choose, and adapt to any unit of cost. The
    theory of [1]_ takes eta = 2 sqrt(d T / (R_T + 2 alpha^2 T)), R_T a bound on R, constant, with
    K, L and the horizon T given; the regret against the best arm for each context is then
    O(T^(9/11)) for the best grid and degree. It explores far more than it needs to.

    Each arm keeps the triangular factor of its rounds, a matrix of m x (m + 1), so a round costs
    tens of microseconds, however many there were.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver
       parameters across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246.
    .. [2] D. Foster, A. Rakhlin, "Beyond UCB: optimal and efficient contextual bandits with
       regression oracles", ICML 2020, arXiv 2002.04926.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import ChebCB
    >>> tuner = ChebCB([1.0, 1.5, 1.9], context_range=(0, 1), rng=0)
    >>> contexts = np.random.default_rng(1).random(500)
    >>> for c in contexts:
    ...     omega = tuner.ask(c)
    ...     tuner.tell(20 + 100 * abs(omega - 1 - c))
    >>> [tuner.best_for(c) for c in (0.1, 0.5, 0.9)]
    [1.0, 1.5, 1.9]
    """

    _state = ("_theta", "_factors", "_misfits", "_largest", "_sums", "_eta", "_features", "_guess")

    def __init__(
        self,
        arms,
        *,
        context_range,
        rng=None,
        features=6,
        least_cost=0.0,
        horizon=None,
        scale=None,
        lipschitz=None,
    ):
        super().__init__(arms, rng=rng, least_cost=least_cost)
        self.context_range = context_range_argument(context_range)
        self.features = checks.count(features, "features")
        self.scale = None if scale is None else checks.number(scale, "scale", above=0)
        self.lipschitz = lipschitz
        if lipschitz is not None:
            self.lipschitz = checks.number(lipschitz, "lipschitz", above=0)
        self.horizon = None if horizon is None else checks.count(horizon, "horizon")
        if horizon is not None and (scale is None or lipschitz is None):
            raise ValueError("horizon needs scale and lipschitz: the three are set together")
        d, m = len(self.arms), self.features
        self._theta = np.zeros((d, m))
        # Losses and costs are kept in units of the power of two next to K, so that their squares
        # neither overflow nor vanish.
        self._factors = np.zeros((d, m, m + 1))  # of [features | losses], one matrix per arm
        self._misfits = np.zeros(d)  # the squares of the losses that no theta can reach
        self._largest = 0.0  # as told
        self._sums = [0.0, 0.0, 0.0]  # of prediction^2, prediction * cost, cost^2
        self._features, self._guess = np.zeros(m), 0.0
        self._box = np.array([1.0, *(2 / j for j in range(1, m))])
        self._eta = 0.0 if horizon is None else self._constant_eta()

    def predict(self, context):
        """Return the cost of every arm as the fit has it, of shape (d,)."""
        features = self._polynomials(context_argument(context, self.context_range))
        losses = self._unit() * (self._theta @ features)
        return self.least_cost + np.ldexp(losses, self._exponent())

    def best_for(self, context):
        """Return the arm of least cost as the fit has it; None before the first round."""
        best = self.predict(context).argmin()
        return self.arms[best] if self.rounds else None

    def _k(self):
        return self.scale or self._largest or 1.0

    def _exponent(self):
        """Return that of the power of two next to K."""
        return frexp(self._k())[1]

    def _bounds(self):
        """Return C L / K, and N."""
        low, high = self.context_range
        slope = 1.0
        if self.lipschitz is not None:
            slope = min((high - low) * self.lipschitz / self._k(), _FAR)
        return slope, 2 + 4 * slope * (1 + log(self.features))

    def _unit(self):
        """Return K N, which the losses are divided by, in the units they are kept in."""
        return frexp(self._k())[0] * self._bounds()[1]

    def _alpha(self):
        slope, n = self._bounds()
        m = self.features
        return slope * (pi + 2 / pi * log(2 * m + 1)) / (2 * n * (m + 1))

    def _constant_eta(self):
        d, m, t = len(self.arms), self.features, self.horizon
        slope, n = self._bounds()
        ratio = t * sqrt(d * m * (1 + 2 * slope**2 * pi**2 / 3)) / n
        r = d * m * (1 + log(max(ratio, 1.0)))
        return 2 * sqrt(d * t / (r + 2 * self._alpha() ** 2 * t))

    def _polynomials(self, context):
        low, high = self.context_range
        x = 2 * (context - low) / (high - low) - 1
        values = [1.0, x]
        while len(values) < self.features:
            values.append(2 * x * values[-1] - values[-2])
        return np.array(values[: self.features])

    def _choose(self, context):
        self._features = self._polynomials(context_argument(context, self.context_range))
        index, self._guess = kernels("numpy").inverse_gap_draw(
            self._theta, self._features, self._eta, self.rng.random()
        )
        return index

    def _learn(self, index, cost):
        changed = cost > self._largest
        self._keep_largest(cost)
        exponent, most = self._exponent(), _FAR * self._k()
        loss = ldexp(min(self._loss(cost), most), -exponent)
        cost = ldexp(min(cost, most), -exponent)
        row = np.append(self._features, loss)
        kernels("numpy").append_row(self._factors[index], row)
        self._misfits[index] += row[-1] ** 2
        unit = self._unit()
        whom = [index]
        if changed and self.scale is None:
            whom = np.flatnonzero(self._factors[:, 0, 0]).tolist()
        left = 0.0
        for arm in whom:
            error = self._fit(arm, unit)
            left = left if error is None else error
        guess, sums = self._guess, self._sums
        sums[0] += guess * guess
        sums[1] += guess * cost
        sums[2] += cost * cost
        if self.horizon is None:
            t = self.rounds
            errors = max(sums[0] - 2 * sums[1] / unit + sums[2] / unit**2 - left, 0.0)
            spread = max(errors + 2 * self._alpha() ** 2 * t, _LEAST)
            self._eta = 2 * t * sqrt(len(self.arms) * t / spread)

    def _keep_largest(self, cost):
        """Remember the largest cost, and go over to its unit."""
        before = self._exponent()
        self._largest = max(self._largest, cost)
        shift = before - self._exponent()
        if shift:
            self._factors[:, :, -1] = np.ldexp(self._factors[:, :, -1], shift)
            self._misfits = np.ldexp(self._misfits, 2 * shift)
            squares, products, costs = self._sums
            self._sums = [squares, ldexp(products, shift), ldexp(costs, 2 * shift)]

    def _fit(self, arm, unit):
        """Fit one arm; return the squared error if the bounds were needed, else None."""
        factor, theta, kernel = self._factors[arm], self._theta[arm], kernels("numpy")
        slope, n = self._bounds()
        bound = slope / n * self._box
        bound[0] = 1 / n
        error = kernel.triangular_fit(factor, unit, bound, theta)
        if error < 0:  # too few rounds yet: the solution of least norm
            r, y = factor[:, :-1].copy(), factor[:, -1] / unit
            theta[:] = np.linalg.lstsq(r, y, rcond=None)[0]
            error = 0.0
            if np.any(np.abs(theta) > bound):
                error = kernel.box_least_squares(r, y, bound, theta)
        return error + self._misfits[arm] / unit**2 if error else None
