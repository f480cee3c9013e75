"""Files of weights: what is written is read, and what is wrong is named."""

import json

import numpy as np
import pytest

from linalg_ml import deep_directions
from linalg_ml.deep_directions import Architecture, Network
from linalg_ml.deep_directions.weights_file import FORMAT, VERSION, write

SMALL = Architecture(channels=2, coarse=1, after=1)


@pytest.fixture
def saved(tmp_path):
    network = Network(SMALL, SMALL.start(0), provenance={"seed": 0, "loss": 0.5})
    deep_directions.save(tmp_path / "net.npz", network)
    return tmp_path / "net.npz", network


def test_what_is_written_is_read(saved):
    path, network = saved
    for given in (path, str(path)):
        again = deep_directions.load(given, precision="bf16")
        assert again.architecture == SMALL and again.precision == "bf16"
        assert again.provenance == network.provenance
        assert set(again.weights) == set(network.weights)
        for name, values in again.weights.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, network.weights[name])
    assert [p.name for p in path.parent.iterdir()] == ["net.npz"]  # no part is left behind


def test_shipped_networks_say_where_they_come_from():
    from linalg_ml.deep_directions.weights_file import FOLDER

    names = deep_directions.shipped()
    assert {f"{kind}-{d}d" for kind in ("paper-64", "linear") for d in (2, 3)} == set(names)
    for name in names:
        made = deep_directions.load(name).provenance
        for field in ("seed", "data", "grid", "steps", "loss", "validation", "commit", "torch"):
            assert made[field] is not None, (name, field)
        assert not made["commit"].endswith("+"), name  # trained by code that is in the history
        assert (FOLDER / f"{name}.npz").stat().st_size < 500_000


def test_missing():
    with pytest.raises(FileNotFoundError, match=r"no file 'absent'.*paper-64-2d"):
        deep_directions.load("absent")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "npy", "pickle"])
def test_damaged(saved, damage):
    path, _ = saved
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        for i in range(len(content) // 3, len(content) // 3 + 40):
            content[i] ^= 0xFF
    path.write_bytes({"empty": b"", "text": b"weights"}.get(damage, bytes(content)))
    if damage in ("npy", "pickle"):
        with path.open("wb") as file:
            np.save(file, np.array([{}]) if damage == "pickle" else np.ones(3))
    with pytest.raises(ValueError, match=r"net\.npz is damaged, or no file of weights"):
        deep_directions.load(path)


def test_other_versions_and_formats(saved):
    path, network = saved
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(str(arrays["header"]))
    for field, value in (("version", VERSION + 1), ("format", "other")):
        arrays["header"] = np.asarray(json.dumps({**header, field: value}))
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=f"must be .*{VERSION}, got .*{value}"):
            deep_directions.load(path)
    np.savez(path, **network.weights)
    with pytest.raises(ValueError, match="no file of weights"):
        deep_directions.load(path)


def test_contents_that_do_not_fit(saved):
    path, network = saved
    header = {"architecture": {"dimensions": 2, "wings": 2}, "provenance": {}}
    write(path, FORMAT, header, network.weights)
    with pytest.raises(ValueError, match=r"does not hold the network it says it holds.*wings"):
        deep_directions.load(path)
    header = {"architecture": {"channels": 3}, "provenance": {}}
    write(path, FORMAT, header, network.weights)
    with pytest.raises(ValueError, match="does not hold the network it says it holds"):
        deep_directions.load(path)


def test_wrong_arguments(saved, tmp_path):
    path, network = saved
    with pytest.raises(ValueError, match=r"^precision must be one of"):
        deep_directions.load(path, precision="int8")
    with pytest.raises(TypeError, match="path must be str or PathLike, got int"):
        deep_directions.load(3)
    with pytest.raises(ValueError, match=r"path must end in \.npz"):
        deep_directions.save(tmp_path / "net.pt", network)
    with pytest.raises(TypeError, match="network must be Network, got dict"):
        deep_directions.save(tmp_path / "net.npz", network.weights)
