"""The scikit-learn face."""

import subprocess
import sys

import numpy as np
import pytest

from linalg_ml.low_rank import RobustPCA


def table(rng, missing=0.0):
    clean = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 40))
    spoilt = clean.copy()
    spoilt.flat[::17] += 10
    spoilt[rng.random(spoilt.shape) < missing] = np.nan
    return clean, spoilt


@pytest.mark.parametrize("model", [RobustPCA(maxiter=5), RobustPCA(method="penalised", maxiter=1)])
def test_scikit_learns_own_checks(model):
    estimator_checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with pytest.warns(UserWarning, match="does not inherit from"):
        outcomes = estimator_checks.check_estimator(model, on_skip=None, on_fail=None)
    failed = {o["check_name"]: o["exception"] for o in outcomes if o["status"] == "failed"}
    assert not failed
    assert len(outcomes) > 40


def test_it_needs_no_scikit_learn():
    program = (
        "import sys, numpy as np\n"
        "from linalg_ml.low_rank import RobustPCA\n"
        "RobustPCA().fit_transform(np.eye(4))\n"
        "try:\n    RobustPCA().transform(np.eye(4))\n"
        "except ValueError as error:\n    print('call fit first' in str(error))\n"
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_gross_errors_and_missing_entries_are_found(rng):
    clean, spoilt = table(rng, missing=0.1)
    model = RobustPCA(method="penalised", lam_low_rank=0.05).fit(spoilt)
    assert np.linalg.norm(model.low_rank_ - clean) < 0.01 * np.linalg.norm(clean)
    assert model.components_.shape == (model.n_components_, 40)
    np.testing.assert_allclose(
        model.components_ @ model.components_.T, np.eye(model.n_components_), atol=1e-10
    )


def test_clean_rows_come_back(rng):
    clean, spoilt = table(rng)
    model = RobustPCA().fit(spoilt)
    back = model.inverse_transform(model.transform(clean))
    np.testing.assert_allclose(back, clean, atol=1e-4)
    holes = clean.copy()
    holes[3, :20] = np.nan
    np.testing.assert_allclose(model.transform(holes), model.transform(clean), atol=1e-3)


def test_the_number_of_components_is_checked(rng):
    table = rng.standard_normal((8, 5))
    with pytest.raises(ValueError, match="n_components must be at least 0, got -1"):
        RobustPCA(-1).fit(table)
    with pytest.raises(TypeError, match="n_components must be an integer"):
        RobustPCA(1.5).fit(table)


def test_parameters():
    model = RobustPCA(3, lam=0.1)
    assert model.get_params()["n_components"] == 3
    assert repr(model) == "RobustPCA(n_components=3, lam=0.1)"
    assert model.set_params(lam=0.2).lam == 0.2
    with pytest.raises(ValueError, match="no parameter 'alpha'"):
        model.set_params(alpha=1)
