"""The digest under which the records of a cell are kept: change anything it names, recompute.

A digest covers the sources of the study and of every module of ours it can load (see
`experiments.imports`), data files, the cell's parameters, the seed, the array library, settings
that change the precision of products, and the versions of the packages underneath.
"""

import hashlib
import json
import sys
from pathlib import Path

from experiments import provenance
from experiments.imports import ImportGraph, package_folders
from experiments.study import Study

FORMAT = 1  # of the record files
# Always part of the digest; torch, jax, cupy and the like only where a study uses them.
BASE_VERSIONS = ("numpy", "scipy", "numba", "array_api_compat")


def canonical(value) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


class CodeDigest:
    """The part of the digest that all cells of a study share.

    Parameters
    ----------
    study : Study
    backend : str
        "numpy" or "cupy".
    root : Path
        Folder that ``study.data`` is relative to.
    folders : dict, optional
        Top-level package name to folder, for the search of sources.

    Attributes
    ----------
    ingredients : dict
        What went into the digest, by name, to tell what has changed since.
    modules : frozenset of str
        The modules of ours that the digest covers.
    """

    def __init__(self, study: Study, backend: str, root: Path, folders: dict | None = None):
        graph = ImportGraph(package_folders() if folders is None else folders)
        graph.add(f"experiments.{study.name}")
        for name in study.modules:
            graph.add(name)
        self.modules = frozenset(graph.sources)
        self._paths = {name: source.path for name, source in graph.sources.items()}
        self.ingredients = {
            "format": FORMAT,
            "study": study.name,
            "sources": {n: sha256(s.path.read_bytes()) for n, s in sorted(graph.sources.items())},
            "data": _data_digests(study, graph, root),
            "versions": _versions(graph, backend),
            "backend": backend,
            "precision_settings": provenance.settings(provenance.PRECISION_VARIABLES),
        }
        if study.timed:
            self.ingredients["machine"] = provenance.machine(backend)

    @property
    def versions(self) -> dict:
        """Versions of the packages underneath."""
        return self.ingredients["versions"]

    def still_holds(self, module: str) -> bool:
        """Whether the source of a module is what the digest was made from."""
        now = self._paths[module].read_bytes()
        return sha256(now) == self.ingredients["sources"][module]

    def cell(self, cell: dict, seed: int) -> str:
        """Return the digest of one cell."""
        return sha256(canonical({**self.ingredients, "cell": cell, "seed": seed}))


def _versions(graph: ImportGraph, backend: str) -> dict:
    """Return the versions of Python and of the packages that studies rest on.

    What linalg_ml can load for the sake of other array libraries is not used by a study unless
    the study itself imports that library or runs on it.
    """
    used = {*BASE_VERSIONS, backend}
    for module, packages in graph.foreign.items():
        # experiments.study can import every array library; `backend` says which one it does.
        if module.startswith("experiments.") and module != "experiments.study":
            used |= {p for p in packages if p not in sys.stdlib_module_names}
    found = {name: provenance.version(name) for name in sorted(used)}
    return {"python": ".".join(map(str, sys.version_info[:2])), **found}


def _data_digests(study: Study, graph: ImportGraph, root: Path) -> dict:
    """Digest the data files a study names and those lying in the packages it can load."""
    files = {}
    for name in study.data:
        path = root / name
        if not path.is_file():
            raise FileNotFoundError(f"study {study.name!r} needs the data file {name}")
        files[name] = path
    for source in graph.sources.values():
        if not source.is_package or source.name.partition(".")[0] == "experiments":
            continue
        for folder in source.path.parent.iterdir():
            if not folder.is_dir() or (folder / "__init__.py").exists():
                continue
            for path in folder.rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[f"{source.name}:{path.relative_to(source.path.parent)}"] = path
    return {name: sha256(path.read_bytes()) for name, path in sorted(files.items())}
