"""Record files: one per cell, appended line by line, every line with its own checksum.

A file is a header line, record lines and a completion line. The checksum of a line covers its
bytes, its number and the digest of the cell, so that a line changed, moved or copied from another
file is not believed. Only the lines before the first bad one count, and a cell without its
completion line is not complete. A file is written under an exclusive lock, which the operating
system drops when its holder dies.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

_START = b'{"sum":"'
_SUM = 32
_FSYNC_EVERY = 0.1  # seconds; between two, the operating system already has the bytes


def default_folder(root: Path) -> Path:
    """Return where records are kept: ``$LINALG_ML_RECORDS``, or ``.records`` in the checkout."""
    chosen = os.environ.get("LINALG_ML_RECORDS")
    return Path(chosen) if chosen else root / ".records"


def encode(record: dict) -> dict:
    """Write NaN and infinities in a way that is valid JSON."""
    return {
        key: {"float": repr(value)} if isinstance(value, float) and not math.isfinite(value)
        else value
        for key, value in record.items()
    }  # fmt: skip


def decode(record: dict) -> dict:
    """Undo `encode`."""
    return {k: float(v["float"]) if isinstance(v, dict) else v for k, v in record.items()}


def line(digest: str, number: int, kind: str, data: dict) -> bytes:
    """Return one line of a record file."""
    body = {"line": number, "kind": kind, "data": data}
    text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()[1:]
    return _START + _checksum(digest, text) + b'",' + text + b"\n"


def _checksum(digest: str, text: bytes) -> bytes:
    return hashlib.sha256(digest.encode() + text).hexdigest()[:_SUM].encode()


def _parse(digest: str, number: int, raw: bytes) -> tuple[str, dict] | None:
    """Return kind and data of a line, None unless every byte of it is as written."""
    check, text = raw[len(_START) : len(_START) + _SUM], raw[len(_START) + _SUM + 2 :]
    if raw != _START + check + b'",' + text or check != _checksum(digest, text):
        return None
    body = json.loads(b"{" + text)
    return (body["kind"], body["data"]) if body["line"] == number else None


@dataclass
class Stored:
    """What a record file holds that can be believed.

    Attributes
    ----------
    header : dict or None
        Study, cell, seed, what the digest covers, provenance; None: the file is of no use.
    records : list of dict
        Records before the first bad line.
    seconds : float
        Time that computing these records took.
    summary : dict or None
        The completion line; None: the cell is not complete.
    size : int
        Bytes up to the last good line that is no completion line.
    damage : str or None
        What is wrong with the rest.
    """

    header: dict | None = None
    records: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    summary: dict | None = None
    size: int = 0
    damage: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the cell needs no more computing."""
        return self.summary is not None


def parse(digest: str, content: bytes) -> Stored:
    """Read the content of a record file, trusting nothing."""
    stored = Stored()
    *lines, rest = content.split(b"\n")
    if rest:
        stored.damage = "its last line is torn"
    for number, raw in enumerate(lines):
        parsed = _parse(digest, number, raw)
        kind, data = parsed or (None, None)
        expected = ("header",) if number == 0 else ("record", "complete")
        if kind not in expected or stored.complete:
            stored.damage = f"line {number + 1} of {len(lines)} is damaged"
            stored.summary = None
            break
        if kind == "header":
            stored.header = data
        elif kind == "record":
            stored.records.append(decode(data["record"]))
            stored.seconds += data["seconds"]
        else:
            stored.summary = data
        if kind != "complete":
            stored.size += len(raw) + 1
    if stored.complete and (stored.damage or stored.summary["records"] != len(stored.records)):
        stored.damage = stored.damage or "its number of records is wrong"
        stored.summary = None
    return stored


def read(path: Path, digest: str) -> Stored:
    """Read a record file without locking it; a file that is not there is an empty one."""
    try:
        return parse(digest, path.read_bytes())
    except FileNotFoundError:
        return Stored()


class Writer:
    """A record file open for appending, locked against other processes.

    Use as a context manager. `stored` is what the file held when the lock was taken.
    """

    def __init__(self, descriptor: int, digest: str):
        self._descriptor = descriptor
        self._digest = digest
        self._synced = 0.0
        with open(descriptor, "rb", closefd=False) as file:
            self.stored = parse(digest, file.read())
        self._number = 0

    @classmethod
    def open(cls, path: Path, digest: str) -> "Writer | None":
        """Open and lock a record file; None if another process is at work on it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The file may have been pruned between opening and locking it.
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                        return cls(descriptor, digest)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.close(self._descriptor)

    def start(self, header: dict) -> None:
        """Forget what the file holds and begin it anew."""
        os.ftruncate(self._descriptor, 0)
        self._number = 0
        self._write("header", header, sync=True)

    def resume(self) -> None:
        """Drop what cannot be believed and go on behind the last good record."""
        os.ftruncate(self._descriptor, self.stored.size)
        self._number = 1 + len(self.stored.records)

    def append(self, record: dict, seconds: float) -> None:
        """Append one record."""
        data = {"record": encode(record), "seconds": round(seconds, 6)}
        self._write("record", data, sync=time.monotonic() - self._synced > _FSYNC_EVERY)

    def complete(self, summary: dict) -> None:
        """Append the completion line."""
        self._write("complete", {"records": self._number - 1, **summary}, sync=True)

    def _write(self, kind: str, data: dict, *, sync: bool) -> None:
        # One write call for a whole line: a killed process leaves a line or none, nearly always.
        rest = line(self._digest, self._number, kind, data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._number += 1
        if sync:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()
