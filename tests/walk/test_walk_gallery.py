"""The gallery: four files, whole or not at all, the same bytes for the same records."""

import csv
import io
import json
import math
import os
import subprocess
import sys

import pytest

from experiments.digest import sha256
from experiments.run import ROOT
from figures import gallery

RECORDS = [
    {"format": name, "exponent": e, "worst_error": u * (1 + abs(e)), "unit_roundoff": u,
     "overflow": False, "note": 'a, "b"\nc', "nan": math.nan, "none": None}
    for name, u in (("float32", 2.0**-24), ("float16", 2.0**-11)) for e in range(-4, 5)
]  # fmt: skip
ENDINGS = ["csv", "json", "png", "svg"]


@pytest.fixture
def target(tmp_path):
    return tmp_path / "gallery" / "paper" / "figure"


def files(target):
    return {p.name: p.read_bytes() for p in sorted(target.parent.iterdir())}


@pytest.mark.figure
def test_four_files(target):
    written = gallery.write("rounding_error", RECORDS, target, {"seed": 3})
    assert sorted(p.name for p in written) == [f"figure.{e}" for e in ENDINGS]
    found = files(target)
    assert sorted(found) == [f"figure.{e}" for e in ENDINGS]
    assert found["figure.png"].startswith(b"\x89PNG")
    assert b"<svg" in found["figure.svg"]
    about = json.loads(found["figure.json"])
    assert about["seed"] == 3
    assert about["records"] == len(RECORDS)
    assert about["caption"]
    assert (target.parent / "figure.svg").stat().st_mode & 0o777 == 0o644


@pytest.mark.figure
def test_same_records_same_bytes(target, monkeypatch):
    import matplotlib

    first = gallery.render("rounding_error", RECORDS)
    # Neither the user's own settings nor the day it is drawn may show.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        second = gallery.render("rounding_error", RECORDS)
        assert matplotlib.rcParams["font.size"] == 20
    assert first == second


@pytest.mark.figure
def test_same_bytes_in_another_process(tmp_path):
    code = (
        "import hashlib, json, math, sys\nfrom figures import gallery\n"
        "records = json.loads(sys.argv[1])\n"
        "found = gallery.render('rounding_error', records)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print([hashlib.sha256(found[k]).hexdigest() for k in ('svg', 'csv')])"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.facecolor: red\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, json.dumps(RECORDS)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = gallery.render("rounding_error", RECORDS)
    assert done.stdout.strip() == str([sha256(found["svg"]), sha256(found["csv"])])


def test_csv_holds_the_numbers():
    text = gallery.table([*RECORDS, {"format": "x", "new": 0.1 + 0.2}]).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [float(r["worst_error"]) for r in rows[:-1]] == [r["worst_error"] for r in RECORDS]
    assert rows[0]["note"] == 'a, "b"\nc'
    assert rows[0]["nan"] == "nan"
    assert rows[0]["none"] == rows[0]["new"] == ""
    assert rows[0]["overflow"] == "False"
    assert float(rows[-1]["new"]) == 0.1 + 0.2


@pytest.mark.figure
def test_failing_drawing_leaves_the_old_files(target):
    target.parent.mkdir(parents=True)
    for ending in ENDINGS:
        target.with_suffix(f".{ending}").write_text("old")
    before = files(target)
    with pytest.raises(KeyError, match="format"):
        gallery.write("rounding_error", [{"no": 1}], target, {})
    with pytest.raises(ValueError, match="no records to draw"):
        gallery.write("rounding_error", [], target, {})
    with pytest.raises(ValueError, match="JSON compliant"):
        gallery.write("rounding_error", RECORDS, target, {"bad": math.nan})
    assert files(target) == before


@pytest.mark.figure
def test_drawing_must_return_a_figure(monkeypatch):
    import figures.rounding_error

    monkeypatch.setattr(figures.rounding_error, "draw", lambda records: None)
    with pytest.raises(TypeError, match="must return a Figure, got NoneType"):
        gallery.render("rounding_error", RECORDS)


@pytest.mark.figure
def test_drawing_cannot_change_the_records(monkeypatch):
    import figures.rounding_error

    draw = figures.rounding_error.draw

    def spoil(records):
        figure = draw(records)
        for record in records:
            record.clear()
        return figure

    monkeypatch.setattr(figures.rounding_error, "draw", spoil)
    records = [dict(record) for record in RECORDS]
    assert gallery.render("rounding_error", records)["csv"] == gallery.table(RECORDS)


@pytest.mark.parametrize("step", ["open", "replace"])
def test_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "a.svg"
    gallery.write_atomically(path, b"old")

    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr(gallery.os, {"open": "fchmod", "replace": "replace"}[step], fail)
    with pytest.raises(OSError, match="no space"):
        gallery.write_atomically(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.svg": b"old"}


def test_reader_never_sees_a_part(tmp_path):
    """Many writes, read all the time: every content read is a whole one."""
    import threading

    path = tmp_path / "a.png"
    contents = {bytes([k]) * 300_000 for k in range(8)}
    gallery.write_atomically(path, next(iter(contents)))
    stop, seen = threading.Event(), set()

    def look():
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(10):
        for content in contents:
            gallery.write_atomically(path, content)
    stop.set()
    reader.join()
    assert seen <= contents


def test_style_helpers():
    from figures import style

    styles = style.series(["a", "b", "a", "c"])
    assert list(styles) == ["a", "b", "c"]
    for key in ("color", "marker", "linestyle"):
        assert len({s[key] for s in styles.values()}) == 3
    assert len(style.series(range(20))) == 20
    found = style.groups([{"m": "x", "n": 1}, {"m": "y", "n": 1}, {"m": "x", "n": 2}], "m")
    assert {k: [r["n"] for r in v] for k, v in found.items()} == {"x": [1, 2], "y": [1]}
    assert list(style.groups([{"m": "x", "n": 1}], "m", "n")) == [("x", 1)]


@pytest.mark.figure
def test_new_figure():
    from figures import style

    figure, axes = style.new_figure()
    assert figure.axes == [axes]
    _, grid = style.new_figure(style.PAGE, rows=2, columns=3)
    assert grid.shape == (2, 3)
