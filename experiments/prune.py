"""Delete records that belong to sources, parameters or versions of the past."""

import json
from collections.abc import Callable
from pathlib import Path

from experiments import cache
from experiments.digest import CodeDigest


def prune(
    folder: Path, code: Callable[[str, str], CodeDigest | None], *, dry_run: bool = False
) -> list[Path]:
    """Delete record files that no run of the present sources could use.

    Parameters
    ----------
    folder : Path
        Where records are kept.
    code : callable
        ``code(study name, backend)`` returns the present digest, None for an unknown study.
    dry_run : bool
        Only say which files.

    Returns
    -------
    paths : list of Path
        The stale files. One that another process holds is left alone.
    """
    stale, codes = [], {}
    for path in sorted(folder.glob("*/*.jsonl")):
        if not _is_stale(path, code, codes):
            continue
        writer = cache.Writer.open(path, "")
        if writer is None:
            continue
        with writer:
            stale.append(path)
            if not dry_run:
                path.unlink()
    return stale


def _is_stale(path: Path, code: Callable, codes: dict) -> bool:
    """Whether a file's digest differs from the one its own header would get today."""
    with open(path, "rb") as file:
        first = file.readline()
    try:
        header = json.loads(first)["data"]
        name, backend = path.parent.name, header["code"]["backend"]
        cell, seed = cache.decode(header["cell"]), header["seed"]
    except (ValueError, KeyError, TypeError):
        return True
    key = (name, backend)
    if key not in codes:
        codes[key] = code(name, backend)
    if codes[key] is None:
        return True
    return path.stem != codes[key].cell(cell, seed)[:32]
