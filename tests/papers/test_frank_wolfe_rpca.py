"""What the studies of films and pages are made of."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import film, rpca_film
from experiments.rpca_pages import two_classes


def test_a_film_that_is_not_there(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv(film.VARIABLE, raising=False)
    full = rpca_film.STUDY.plan("full")
    assert {cell["film"] for cell in full} == {"clip"}
    assert "LINALG_ML_FILM is not set: the film of 768 x 576" in capsys.readouterr().err
    monkeypatch.setenv(film.VARIABLE, str(tmp_path / "none.avi"))
    with pytest.raises(FileNotFoundError, match="LINALG_ML_FILM must be the path"):
        rpca_film.STUDY.plan("full")


def test_a_film_that_is_there(monkeypatch, tmp_path, rng):
    path = tmp_path / "some.avi"
    path.write_bytes(b"film")
    monkeypatch.setenv(film.VARIABLE, str(path))
    cells = rpca_film.STUDY.plan("full")
    assert [cell["shrink"] for cell in cells if cell["film"] == "some.avi"] == [4, 2, 1]
    grey = rng.integers(0, 256, (3, 4, 6), dtype=np.uint8)
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=lambda path: Container(grey)))
    np.testing.assert_array_equal(film.grey_film(), grey)
    small = film.grey_film(2, most=2)
    assert small.shape == (2, 2, 3)
    assert small[1, 1, 2] == round(grey[1, 2:, 4:].mean())
    m = film.columns(grey)
    assert m.shape == (24, 3) and m.dtype == np.float32
    np.testing.assert_allclose(m[:, 2], grey[2].ravel() / 255, rtol=1e-6)


class Container:
    """A film of given frames, as PyAV opens it."""

    def __init__(self, frames):
        self.frames = frames

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def decode(self, video):
        for frame in self.frames:
            yield SimpleNamespace(to_ndarray=lambda format, frame=frame: frame)


def test_difference_of_factors(rng):
    m = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 20))
    others = m + 0.1 * m[::-1]
    first, second = (np.linalg.svd(x, full_matrices=False) for x in (m, others))
    expected = np.linalg.norm(m - others) / np.linalg.norm(others)
    found = rpca_film.difference(first, second)
    assert found == pytest.approx(expected, rel=1e-6)


def test_threshold_between_two_classes(rng):
    """That of the least variance within the classes, by trial."""
    values = np.r_[rng.normal(0, 1, 300), rng.normal(6, 2, 900)]
    within = [
        values[values < t].var() * np.sum(values < t)
        + values[values >= t].var() * np.sum(values >= t)
        for t in np.sort(values)[1:]
    ]
    best = np.sort(values)[1:][int(np.argmin(within))]
    assert two_classes(values) == pytest.approx(best, abs=np.ptp(values) / 128)
