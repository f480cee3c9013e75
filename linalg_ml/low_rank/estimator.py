"""Robust principal component analysis with the face of a scikit-learn transformer."""

import inspect
import sys

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, is_array, is_complex, is_sparse, library, namespace
from linalg_ml.low_rank.robust_pca import choose_method, robust_pca

_REAL = "float32", "float64"


class RobustPCA:
    """Learn the low-rank part of a table with gross errors, and project on it.

    A transformer as scikit-learn has them, which works without scikit-learn.

    Parameters
    ----------
    n_components : int, optional
        Components to keep; None keeps as many as the low-rank part has. For methods that are told
        the rank, it is the rank.
    method : str or method instance
        See `robust_pca`.
    lam, lam_low_rank, lam_sparse : float, optional
        See `robust_pca`.
    rtol : float, optional
    maxiter : int, optional
    precision : None, str or Precision
    random_state : None, int or numpy.random.Generator

    Attributes
    ----------
    low_rank_ : array of shape (n_samples, n_features)
        The training data without their gross errors; missing entries are filled in.
    sparse_ : array of shape (n_samples, n_features)
        The gross errors.
    components_ : array of shape (n_components, n_features)
        Orthonormal rows.
    singular_values_ : array of shape (n_components,)
        Of the low-rank part.
    n_components_, n_features_in_, n_iter_ : int
    result_ : Result
        Of `robust_pca`.

    Notes
    -----
    Columns are not centred. NaN marks a missing entry. New rows are projected on the components,
    by least squares over the entries that are there: gross errors in new rows are not removed.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.low_rank import RobustPCA
    >>> rng = np.random.default_rng(0)
    >>> table = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 40))
    >>> spoilt = table.copy()
    >>> spoilt.flat[::17] += 10
    >>> model = RobustPCA().fit(spoilt)
    >>> model.n_components_
    2
    >>> bool(np.allclose(model.low_rank_, table, atol=1e-4))
    True
    """

    def __init__(
        self,
        n_components=None,
        *,
        method="auto",
        lam=None,
        lam_low_rank=None,
        lam_sparse=None,
        rtol=None,
        maxiter=None,
        precision=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.method = method
        self.lam = lam
        self.lam_low_rank = lam_low_rank
        self.lam_sparse = lam_sparse
        self.rtol = rtol
        self.maxiter = maxiter
        self.precision = precision
        self.random_state = random_state

    # What scikit-learn asks of every estimator --------------------------------------------------

    def get_params(self, deep=True):
        """Return the parameters of the constructor by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params):
        """Set parameters of the constructor; return self."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"RobustPCA has no parameter {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self):
        defaults = inspect.signature(type(self)).parameters
        parts = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default
        ]
        return f"RobustPCA({', '.join(parts)})"

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=["float64", "float32"]),
            input_tags=InputTags(allow_nan=True),
        )

    def get_feature_names_out(self, input_features=None):
        """Return the names of the components."""
        self._check_fitted()
        return np.asarray([f"robustpca{i}" for i in range(self.n_components_)], dtype=object)

    # The work -----------------------------------------------------------------------------------

    def fit(self, X, y=None):
        """Split X (n_samples, n_features) into low rank and sparse; return self."""
        names = _feature_names(X)
        X = _check_table(X)
        if self.n_components is not None:
            checks.count(self.n_components, "n_components", minimum=0)
        xp = namespace(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.n_features_in_ = X.shape[1]
        observed = ~xp.isnan(X)
        complete = bool(xp.all(observed))
        given = {"lam": self.lam, "lam_low_rank": self.lam_low_rank, "lam_sparse": self.lam_sparse}
        given = {name: value for name, value in given.items() if value is not None}
        chosen = choose_method(self.method, given, False)
        if chosen.formulation == "fixed rank":
            given["rank"] = self.n_components
        result = robust_pca(
            X,
            method=chosen,
            observed=None if complete else observed,
            rtol=self.rtol,
            maxiter=self.maxiter,
            precision=self.precision,
            rng=self.random_state,
            **given,
        )
        factors = result.extras.get("factors")
        if factors is None:
            factors = xp.linalg.svd(result.x, full_matrices=False)
        _, s, vh = factors
        kept = s.shape[0]
        if self.n_components is not None:
            kept = min(kept, self.n_components)
        self.result_ = result
        self.low_rank_, self.sparse_ = result.x, result.sparse
        self.components_, self.singular_values_ = vh[:kept, :], s[:kept]
        self.n_components_, self.n_iter_ = kept, result.nit
        return self

    def transform(self, X):
        """Return the coordinates (n_samples, n_components) of rows in the components."""
        self._check_fitted()
        names = _feature_names(X)
        known = getattr(self, "feature_names_in_", None)
        if names is not None and known is not None and list(names) != list(known):
            raise ValueError("The feature names should match those that were passed during fit.")
        X = _check_table(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but RobustPCA is expecting "
                f"{self.n_features_in_} features as input"
            )
        xp = namespace(X)
        components = (
            asarray(self.components_, like=X, dtype=X.dtype)
            if (library(X) == "numpy")
            else self.components_
        )
        missing = xp.isnan(X)
        filled = xp.where(missing, xp.zeros_like(X), X)
        coordinates = filled @ components.mT
        if not bool(xp.any(missing)) or not self.n_components_:
            return coordinates
        weights = xp.astype(~missing, X.dtype)
        gram = (components * weights[:, None, :]) @ components.mT
        return (xp.linalg.pinv(gram) @ coordinates[..., None])[..., 0]

    def fit_transform(self, X, y=None):
        """Fit, and return the coordinates of X."""
        return self.fit(X, y).transform(X)

    def inverse_transform(self, X):
        """Return the rows (n_samples, n_features) with the given coordinates."""
        self._check_fitted()
        return X @ self.components_

    def _check_fitted(self):
        if not hasattr(self, "components_"):
            raise _not_fitted()("This RobustPCA instance is not fitted yet; call fit first")


class _NotFittedError(ValueError, AttributeError):
    """What scikit-learn's error of the same name is."""


def _not_fitted():
    """Return scikit-learn's error where scikit-learn is in use, else its double."""
    if "sklearn" in sys.modules:
        from sklearn.exceptions import NotFittedError

        return NotFittedError
    return _NotFittedError


def _feature_names(X):
    """Return the column names of a data frame if all are strings, else None."""
    columns = getattr(X, "columns", None)
    if columns is None or is_array(X):
        return None
    names = np.asarray(columns, dtype=object)
    return names if all(isinstance(name, str) for name in names) else None


def _check_table(X):
    """Return X as a real floating-point array of shape (n_samples, n_features)."""
    if is_sparse(X):
        raise TypeError("X must be a dense array, got a sparse matrix; use its toarray()")
    if not is_array(X):
        X = np.asarray(X)
    if library(X) == "numpy" and X.dtype.kind in "OiubU":
        X = X.astype(np.float64)
    if is_complex(X):
        raise ValueError("Complex data not supported: X must be real")
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data: X must have "
            "shape (n_samples, n_features)"
        )
    for axis, what in enumerate(("sample", "feature")):
        if X.shape[axis] == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
                "required."
            )
    xp = namespace(X)
    if bool(xp.any(xp.isinf(X))):
        raise ValueError("X must be finite or NaN, which marks a missing entry; it has infinity")
    return X
