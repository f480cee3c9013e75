"""Draw figures and write them: SVG, PNG, the records as CSV, and provenance as JSON."""

import csv
import importlib
import io
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures.style import style

FOLDER = Path(__file__).parent / "gallery"
_HERE = Path(__file__).parent
_DRAWS = re.compile(rb"^def draw\(", re.MULTILINE)


def names(folder: Path = _HERE) -> list[str]:
    """Return the names of the drawings: the modules that define ``draw``, not imported."""
    return sorted(p.stem for p in folder.glob("*.py") if _DRAWS.search(p.read_bytes()))


def render(drawing: str, records: Sequence[dict]) -> dict[str, bytes]:
    """Draw records; return the pictures and the CSV by file ending.

    The same records give the same SVG and CSV, byte for byte, on the same versions.
    """
    if not records:
        raise ValueError(f"there are no records to draw by {drawing!r}")
    module = importlib.import_module(f"figures.{drawing}")
    pictures = {}
    with style():
        from matplotlib.figure import Figure

        figure = module.draw([dict(record) for record in records])
        if not isinstance(figure, Figure):
            raise TypeError(
                f"figures.{drawing}.draw must return a Figure, got {type(figure).__name__}"
            )
        for ending, metadata in (
            ("svg", {"Date": None, "Creator": None}),
            ("png", {"Software": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, metadata=metadata)
            pictures[ending] = buffer.getvalue()
    return {**pictures, "csv": table(records)}


def caption(drawing: str) -> str | None:
    """Return the drawing's ``CAPTION``, None if it has none."""
    return getattr(importlib.import_module(f"figures.{drawing}"), "CAPTION", None)


def table(records: Sequence[dict]) -> bytes:
    """Return records as CSV: one column per field, numbers to the last digit."""
    fields = list(dict.fromkeys(key for record in records for key in record))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(fields)
    for record in records:
        values = [record.get(field) for field in fields]
        writer.writerow("" if v is None else v if isinstance(v, str) else repr(v) for v in values)
    return buffer.getvalue().encode()


def write(drawing: str, records: Sequence[dict], target: Path, provenance: dict) -> list[Path]:
    """Draw records and write the four files of a figure.

    Parameters
    ----------
    drawing : str
        Name of a module of this package.
    records : sequence of dict
    target : Path
        The files' path without ending; folders are made.
    provenance : dict
        Goes into the JSON file, together with the drawing's caption and matplotlib's version.

    Returns
    -------
    paths : list of Path
    """
    contents = render(drawing, records)
    import matplotlib

    about = {
        "drawing": drawing,
        "caption": caption(drawing),
        "matplotlib": matplotlib.__version__,
        "records": len(records),
        **provenance,
    }
    contents["json"] = (json.dumps(about, indent=2, allow_nan=False) + "\n").encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    # All four are made before the first is written: a drawing that fails leaves the old ones.
    paths = []
    for ending, content in contents.items():
        path = target.with_name(f"{target.name}.{ending}")
        write_atomically(path, content)
        paths.append(path)
    return paths


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old or the new content, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
