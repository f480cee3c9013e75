"""The script that makes the real matrices still runs, repeats itself, and says what it did."""

import hashlib
import json
import lzma

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture
def make(tmp_path):
    from experiments.make_real_matrices import main

    rng = np.random.default_rng(0)
    text, digits = tmp_path / "text.xz", tmp_path / "digits.npz"
    letters = rng.choice(list("to be, or not\n"), 4000)
    text.write_bytes(lzma.compress("".join(letters).encode()))
    images = rng.integers(0, 256, (1100, 28, 28), dtype=np.uint8)
    np.savez(digits, images=images, labels=rng.integers(0, 10, 1100).astype(np.uint8))

    def run(folder, *options):
        out = tmp_path / folder
        steps = ["--gpt-steps", "1", "--digits-steps", "2"]
        main(["--text", str(text), "--digits", str(digits), "--out", str(out), *steps, *options])
        return out / "real_matrices.npz", json.loads((out / "real_matrices.json").read_text())

    return run


def test_the_script_repeats_itself_and_describes_its_file(make, tmp_path):
    archive, provenance = make("first")
    again, _ = make("again")
    other, _ = make("other", "--seed", "1")
    assert archive.read_bytes() == again.read_bytes()
    assert archive.read_bytes() != other.read_bytes()
    assert provenance["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert str(tmp_path) not in json.dumps(provenance)
    with np.load(archive) as npz:
        assert sorted(npz.files) == sorted(provenance["matrices"])
        assert npz["gpt-block3-up-gradient-step0"].shape == (512, 128)
        # Momentum before and after one step, with the gradient of that step.
        layer = "gpt-block3-up-"
        first, second = (npz[f"{layer}gradient-step{step}"] for step in (0, 1))
        momentum = npz[f"{layer}momentum-step1"]
        np.testing.assert_allclose(momentum, 0.95 * first + second, rtol=0, atol=1e-6)
        assert np.abs(first).max() > 1e-4
