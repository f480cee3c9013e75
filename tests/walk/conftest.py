"""A small checkout of its own for each test: the real machinery, made-up studies and papers."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Every item is logged when it is computed, so that tests can count computations. One whose file
# "hold a k" exists is not begun, so that tests can stop a study where they want it.
STUDY = """
import os
import time

from experiments.study import Study


def compute(cell, context):
    for k in context.remaining(range(cell["items"])):
        while os.path.exists(f"hold {{cell['a']}} {{k}}"):
            time.sleep(0.002)
        time.sleep({pause})
        value = (cell["a"] + 1) / (k + 1)
        with open(os.environ["COMPUTED"], "a") as file:
            file.write(f"{{cell['a']}} {{k}}\\n")
        yield {{"k": k, "value": value, "nan": float("nan"), "inf": float("inf") * (-1) ** k}}


STUDY = Study(
    name="{name}",
    title="A made-up study",
    summary="Nothing.",
    compute=compute,
    quick={{"a": list(range({cells})), "items": {items}}},
    full={{"a": list(range({cells} + 1)), "items": {items}}},
    quick_seconds=1,
    full_seconds=2,
)
"""

DRAWING = """
from figures.style import new_figure


def draw(records):
    figure, axes = new_figure()
    axes.plot([r["value"] for r in records])
    return figure
"""

PAPER = """
[paper]
title = "A made-up paper"
authors = "Nobody"
year = 2026

[[figure]]
id = "values"
study = "tiny"
drawing = "tiny"
title = "Values"

[[claim]]
id = "largest"
figure = "values"
text = "The largest value is at most three."
where = "Section 1"
statistic = "max"
field = "value"
at_most = 3
"""


class Checkout:
    """A folder like the project's, in which tests write studies, drawings and papers."""

    PAPER = PAPER

    def __init__(self, root: Path):
        self.root = root
        real = [p.stem for p in (ROOT / "experiments").glob("*.py") if "\nSTUDY =" in p.read_text()]
        real += [p.stem for p in (ROOT / "figures").glob("*.py") if "\ndef draw(" in p.read_text()]
        for package in ("experiments", "figures", "paper_repro"):
            # With the bytecode, which saves compiling the machinery for each test.
            for path in [*(ROOT / package).glob("*.py"), *(ROOT / package).glob("*/*.pyc")]:
                if path.name.partition(".")[0] not in real:
                    target = root / path.relative_to(ROOT)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, target)
        (root / "linalg_ml").mkdir()
        (root / "linalg_ml" / "__init__.py").write_text("")
        self.computed_log = root / "computed.txt"
        self.records = root / ".records"

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def study(self, name="tiny", *, cells=3, items=2, pause=0.0) -> None:
        text = STUDY.format(name=name, cells=cells, items=items, pause=pause)
        self.write(f"experiments/{name}.py", text)

    def drawing(self, name="tiny") -> None:
        self.write(f"figures/{name}.py", DRAWING)

    def paper(self, name="made_up", text=PAPER) -> None:
        self.write(f"paper_repro/{name}/paper.toml", text)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def start(self, *arguments, **environment) -> subprocess.Popen:
        """Start ``python *arguments`` in the checkout."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LINALG_ML")}
        # -B: two edits of one size in one second would be the same to Python's bytecode cache.
        # Shells let what they start in the background ignore Ctrl-C, and children inherit that; a
        # signal that is handled here is theirs again. (A preexec_fn forks, of which JAX warns.)
        inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [sys.executable, "-B", "-W", "error", *arguments],
                cwd=self.root,
                env={**clean, "COMPUTED": str(self.computed_log), "PYTHONPATH": "", **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, inherited)

    def python(self, *arguments, **environment) -> subprocess.CompletedProcess:
        """Run ``python *arguments`` to its end."""
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def command(self, *arguments, **environment) -> subprocess.CompletedProcess:
        """Run ``python -m paper_repro *arguments``."""
        return self.python("-m", "paper_repro", *arguments, **environment)

    def hold(self, a: int, k: int) -> Path:
        """Stop studies before an item until the file returned is removed."""
        return self.write(f"hold {a} {k}", "")

    def computed(self) -> list[str]:
        """Return one line for each item computed so far."""
        return self.computed_log.read_text().splitlines() if self.computed_log.exists() else []

    def record_files(self) -> list[Path]:
        return sorted(self.records.glob("*/*.jsonl"))


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")
