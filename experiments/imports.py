"""Which of our own modules a study can load, read from the sources without running them.

Reading the sources, rather than looking at ``sys.modules`` after a run, gives the answer before
anything is computed, does not depend on what else the process has loaded, and sees imports
inside functions that this run happens not to reach. What cannot be read is over-estimated:

- ``import_module(expression)`` counts as the whole package it stands in (or, where the expression
  begins with constant text, the package that text names);
- a package with a module-level ``__getattr__`` (lazy names) is looked up name by name in the
  literal tables of its ``__init__.py``; a name that is in none of them, or the bare package handed
  to somebody, counts as everything in the package.

`experiments.run` checks during the run that nothing outside this estimate was loaded.
"""

import ast
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

ANY = "*"  # an attribute nobody can tell


@dataclass(frozen=True)
class Source:
    """One module of ours, parsed."""

    name: str
    path: Path
    is_package: bool
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def is_lazy(self) -> bool:
        """Whether attributes are made on demand by a module-level ``__getattr__``."""
        return "__getattr__" in self.defined

    @functools.cached_property
    def defined(self) -> frozenset[str]:
        """Names bound at module level."""
        found = set()
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                found.add(node.name)
            else:
                # Over all statements, also those inside if and try blocks.
                for part in ast.walk(node):
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        found.add(part.id)
                    elif isinstance(part, (ast.Import, ast.ImportFrom)):
                        found.update(a.asname or a.name.partition(".")[0] for a in part.names)
        return frozenset(found)


@functools.cache
def _parse(path: Path, stamp: tuple) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def package_folders(names: tuple[str, ...] = ("linalg_ml", "experiments")) -> dict[str, Path]:
    """Return the folders of our top-level packages, without importing them."""
    folders = {}
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders[name] = Path(spec.origin).parent
    return folders


class ImportGraph:
    """Everything a set of modules can load from our own packages.

    Parameters
    ----------
    folders : dict
        Top-level package name to its folder.
    """

    def __init__(self, folders: dict[str, Path]):
        self.folders = folders
        self.sources: dict[str, Source] = {}
        self.foreign: dict[str, set[str]] = {}  # module of ours -> other packages it imports
        self._asked: set[tuple] = set()

    def find(self, name: str) -> Path | None:
        """Return the file of a module of ours, None if there is no such module."""
        top, *rest = name.split(".")
        if top not in self.folders:
            return None
        base = self.folders[top].joinpath(*rest)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
        return None

    def add(self, name: str) -> None:
        """Add a module, the packages above it and everything they import."""
        if name in self.sources:
            return
        path = self.find(name)
        if path is None:
            raise ValueError(f"there is no module {name!r} in {', '.join(self.folders)}")
        if "." in name:
            self.add(name.rpartition(".")[0])
        status = path.stat()
        tree = _parse(path, (status.st_mtime_ns, status.st_size))
        source = Source(name, path, path.name == "__init__.py", tree)
        self.sources[name] = source
        self.foreign[name] = set()
        aliases = self._follow_statements(source)
        self._follow_uses(source, aliases)
        self._follow_dynamic(source)

    def ask(self, name: str, chain: tuple[str, ...]) -> None:
        """Add what evaluating ``name.chain[0].chain[1]...`` can load."""
        if (name, chain) in self._asked:
            return
        self._asked.add((name, chain))
        self.add(name)
        source = self.sources[name]
        if not chain or not source.is_package:
            return
        first, rest = chain[0], chain[1:]
        if first == ANY:
            if source.is_lazy:
                self.add_all(name)
            return
        known = first in source.defined
        if self.find(f"{name}.{first}") is not None:
            self.ask(f"{name}.{first}", rest)
            known = True
        if source.is_lazy:
            targets = [t for t in self._table(source, first) if t != name]
            for target in targets:
                self.ask(target, chain)
            if not targets and not known:
                self.add_all(name)

    def add_all(self, package: str) -> None:
        """Add every module below a package."""
        folder = self.find(package).parent
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            if self.find(name) == path:
                self.add(name)

    def _imported(self, source: Source, target: str, chain: tuple[str, ...] = ()) -> None:
        """Take note of one import, of ours or of somebody else's."""
        top = target.partition(".")[0]
        if top not in self.folders:
            self.foreign[source.name].add(top)
            return
        # `import a.b.c` where c is only an attribute cannot work, but `from a.b import c` can.
        while self.find(target) is None and "." in target:
            target, _, last = target.rpartition(".")
            chain = (last, *chain)
        self.ask(target, chain)

    def _follow_statements(self, source: Source) -> dict[str, str]:
        """Follow import statements; return which local name stands for which of our names."""
        aliases = {}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._imported(source, alias.name)
                    bound = alias.name if alias.asname else alias.name.partition(".")[0]
                    aliases[alias.asname or bound] = bound
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = f"{_parent(source, node.level)}.{base}".removesuffix(".")
                for alias in node.names:
                    self._imported(source, base, (alias.name,))
                    aliases[alias.asname or alias.name] = f"{base}.{alias.name}"
        return {k: v for k, v in aliases.items() if v.partition(".")[0] in self.folders}

    def _follow_uses(self, source: Source, aliases: dict[str, str]) -> None:
        """Follow ``alias.attribute.attribute``, the only way lazy names are reached."""
        nodes = [n for n in ast.walk(source.tree) if isinstance(n, (ast.Attribute, ast.Name))]
        inner = {n.value for n in nodes if isinstance(n, ast.Attribute)}
        for node in nodes:
            if node in inner:
                continue
            chain = [ANY]
            while isinstance(node, ast.Attribute):
                chain.insert(0, node.attr)
                node = node.value
            if isinstance(node, ast.Name) and node.id in aliases:
                self._imported(source, aliases[node.id], tuple(chain))

    def _follow_dynamic(self, source: Source) -> None:
        """Follow ``import_module`` and ``__import__``."""
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name not in ("import_module", "__import__"):
                continue
            text, whole = _constant_start(node.args[0])
            stem = text.lstrip(".")
            if text != stem:
                stem = f"{_parent(source, len(text) - len(stem))}.{stem}"
            package = stem.rpartition(".")[0] or source.package
            if whole:
                self._imported(source, stem)
            elif package.partition(".")[0] not in self.folders:
                self.foreign[source.name].add(package.partition(".")[0])
            elif not (source.is_lazy and package == source.name):  # names are looked up one by one
                self.add_all(package if self.find(package) else source.package)

    def _table(self, source: Source, name: str) -> list[str]:
        """Return the modules that the literal tables of a lazy package give for a name."""
        found = []
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Dict):
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    continue
                if name in _strings(key):
                    found += _strings(value)
                elif name in _strings(value):
                    found += _strings(key)
        package = source.name
        candidates = []
        for text in found:
            text = text.lstrip(".")
            candidates += [f"{package}.{text}", text]
        return sorted({c for c in candidates if "." in c and self.find(c) is not None})


def _parent(source: Source, level: int) -> str:
    """Return the package that a relative import with so many dots starts from."""
    parts = source.package.split(".")
    return ".".join(parts[: len(parts) - level + 1])


def _strings(node: ast.expr) -> list[str]:
    """Return all words of all string constants in an expression."""
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return [w for text in constants if isinstance(text, str) for w in text.split()]


def _constant_start(node: ast.expr) -> tuple[str, bool]:
    """Return the constant text an expression starts with, and whether that is all of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr) and node.values:
        return _constant_start(node.values[0])[0], False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _constant_start(node.left)[0], False
    return "", False
