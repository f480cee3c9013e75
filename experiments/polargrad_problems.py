"""The three problems of the PolarGrad paper, at their own size or a fraction of it.

Each has ``start``, a dict of parameters; ``gradients(params, step)``, which may be of a random part
of the data; and ``measures(params)``, what is recorded.
"""

import numpy as np

BATCHES = 10  # parts of the rows in logistic regression


class QuadraticRegression:
    """f(X) = ||A X B - C||_F^2 / 2, whose optimum is known."""

    def __init__(self, shrink, rng):
        p, m, n, q = (size // shrink for size in (1000, 500, 100, 250))
        self.a, self.b = rng.standard_normal((p, m)), rng.standard_normal((n, q))
        self.c = rng.standard_normal((p, q))
        self.start = {"x": rng.uniform(-1, 1, (m, n))}
        self.left, self.right = self.a.T @ self.a, self.b @ self.b.T
        self.middle = self.a.T @ self.c @ self.b.T
        best = np.linalg.solve(self.left, np.linalg.solve(self.right, self.middle.T).T)
        self.best, self.least = best, 0.5 * np.sum((self.a @ best @ self.b - self.c) ** 2)

    def gradients(self, params, step):
        """Return the gradient A^T (A X B - C) B^T, from the small matrices it is made of."""
        return {"x": self.left @ params["x"] @ self.right - self.middle}

    def newton(self, grads):
        """Return (A^T A)^-1 G (B B^T)^-1."""
        solved = np.linalg.solve(self.right, np.linalg.solve(self.left, grads["x"]).T)
        return {"x": solved.T}

    def measures(self, params):
        """Return the gap, exactly to first order, and condition numbers."""
        off = params["x"] - self.best
        residual = self.a @ params["x"] @ self.b - self.c
        values = np.linalg.svd(self.gradients(params, 0)["x"], compute_uv=False)
        return {
            "objective": 0.5 * np.sum(off * (self.left @ off @ self.right)),
            "residual_condition": condition(np.linalg.svd(residual, compute_uv=False)),
            "gradient_condition": condition(values),
            "nuclear": np.sum(values),
        }


class LogisticRegression:
    """f(X) = sum log(1 + exp(-C * (A X B))), with gradients of a tenth of the rows."""

    def __init__(self, shrink, rng):
        p, m, n, q = (size // shrink for size in (10000, 1000, 100, 400))
        self.a, self.b = rng.standard_normal((p, m)), rng.standard_normal((n, q))
        self.c = np.where(rng.standard_normal((p, q)) > 0.5, 1.0, -1.0)
        self.start = {"x": rng.uniform(-1, 1, (m, n))}
        self.rows = rng.permutation(p).reshape(BATCHES, -1)

    def gradients(self, params, step):
        """Return the gradient of the sum over the next tenth of the rows."""
        return {"x": self._gradient(params, self.rows[step % BATCHES])}

    def _gradient(self, params, rows):
        a, c = self.a[rows], self.c[rows]
        margins = c * (a @ params["x"] @ self.b)
        return a.T @ (-c / (1 + np.exp(np.minimum(margins, 500)))) @ self.b.T

    def measures(self, params):
        """Return the objective over all rows, and what the gradient of a tenth tells."""
        margins = self.c * (self.a @ params["x"] @ self.b)
        values = np.linalg.svd(self._gradient(params, self.rows[0]), compute_uv=False)
        return {
            "objective": np.sum(np.logaddexp(0, -margins)),
            "gradient_condition": condition(values),
            "nuclear": np.sum(values),
        }


class LowRankCompletion:
    """f(X, Y) = ||mask * (X Y^T - M)||_F^2 / sum(mask), M of rank 5."""

    def __init__(self, shrink, rng):
        m, n, rank = 500 // shrink, 250 // shrink, 5
        self.target = rng.standard_normal((m, rank)) @ rng.standard_normal((n, rank)).T
        self.mask = rng.random((m, n)) < 0.3
        self.start = {name: rng.uniform(-1, 1, (k, rank)) for name, k in (("x", m), ("y", n))}

    def _residual(self, params):
        return self.mask * (params["x"] @ params["y"].T - self.target)

    def gradients(self, params, step):
        """Return the gradients with respect to both factors."""
        r = self._residual(params) * (2 / self.mask.sum())
        return {"x": r @ params["y"], "y": r.T @ params["x"]}

    def measures(self, params):
        """Return the objective, and condition and nuclear norm of each gradient."""
        found = {"objective": np.sum(self._residual(params) ** 2) / self.mask.sum()}
        for name, g in self.gradients(params, 0).items():
            values = np.linalg.svd(g, compute_uv=False)
            found |= {f"{name}_condition": condition(values), f"{name}_nuclear": np.sum(values)}
        return found


def condition(values):
    """Return the largest over the smallest singular value; infinite if that is zero."""
    return values[0] / values[-1] if values[-1] > 0 else float("inf")


PROBLEMS = {
    "quadratic": QuadraticRegression,
    "logistic": LogisticRegression,
    "completion": LowRankCompletion,
}
