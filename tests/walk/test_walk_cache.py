"""Record files: nothing that was not written, in that place, is ever read back."""

import math

import pytest

from experiments import cache

DIGEST = "d" * 64
RECORDS = [
    {"n": 1, "error": 0.1, "name": "a\nb ü \u2028", "ok": True, "none": None},
    {"n": 2, "error": math.nan, "low": -math.inf, "high": math.inf, "zero": -0.0},
    {"n": 3, "error": 5e-324, "big": 2**70, "text": '{"float": "nan"}'},
]


def write(path, records=RECORDS, digest=DIGEST, complete=True):
    with cache.Writer.open(path, digest) as writer:
        writer.start({"cell": {}, "provenance": {}})
        for record in records:
            writer.append(record, 0.25)
        if complete:
            writer.complete({})


def equal(a, b):
    """Equality by value and type, where NaN equals NaN and -0.0 is not 0.0."""
    return repr(a) == repr(b)


def test_round_trip(tmp_path):
    write(tmp_path / "s" / "c.jsonl")
    stored = cache.read(tmp_path / "s" / "c.jsonl", DIGEST)
    assert equal(stored.records, RECORDS)
    assert stored.complete
    assert stored.damage is None
    assert stored.seconds == 0.75


def test_file_is_standard_json(tmp_path):
    import json

    write(tmp_path / "c.jsonl")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    for line in (tmp_path / "c.jsonl").read_bytes().splitlines():
        json.loads(line, parse_constant=refuse)


def test_missing_file_is_empty(tmp_path):
    stored = cache.read(tmp_path / "none.jsonl", DIGEST)
    assert stored.records == []
    assert not stored.complete
    assert stored.damage is None


def test_without_completion_line_not_complete(tmp_path):
    write(tmp_path / "c.jsonl", complete=False)
    stored = cache.read(tmp_path / "c.jsonl", DIGEST)
    assert not stored.complete
    assert stored.damage is None
    assert equal(stored.records, RECORDS)


def test_torn_anywhere_gives_a_prefix(tmp_path):
    write(tmp_path / "c.jsonl")
    content = (tmp_path / "c.jsonl").read_bytes()
    ends = [k for k in range(len(content)) if content[k : k + 1] == b"\n"]
    for length in range(len(content)):
        stored = cache.parse(DIGEST, content[:length])
        whole = sum(end < length for end in ends)  # whole lines: header, records
        assert not stored.complete
        assert equal(stored.records, RECORDS[: max(0, whole - 1)])
        assert (stored.damage is not None) == (length > 0 and content[length - 1] != 10)
        assert stored.size == (ends[whole - 1] + 1 if whole else 0)


def test_any_flipped_bit_is_noticed(tmp_path):
    write(tmp_path / "c.jsonl")
    content = (tmp_path / "c.jsonl").read_bytes()
    for place in range(len(content)):
        for bit in (0, 5):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            stored = cache.parse(DIGEST, bytes(changed))
            assert stored.damage, f"byte {place}"
            assert not stored.complete
            assert equal(stored.records, RECORDS[: len(stored.records)])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:2], *lines[3:]],  # a line lost
        lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],  # swapped
        lambda lines: [*lines[:2], lines[1], *lines[2:]],  # doubled
        lambda lines: lines[1:],  # no header
        lambda lines: [*lines, lines[-2]],  # something after the end
        lambda lines: [*lines[:1], lines[-1]],  # complete without records
        lambda lines: [b"", *lines],
        lambda lines: [*lines[:2], b"\xff\xfe\x00", *lines[2:]],
    ],
)
def test_lines_moved_are_noticed(tmp_path, change):
    write(tmp_path / "c.jsonl")
    lines = (tmp_path / "c.jsonl").read_bytes().split(b"\n")[:-1]
    stored = cache.parse(DIGEST, b"\n".join([*change(lines), b""]))
    assert stored.damage
    assert not stored.complete
    assert equal(stored.records, RECORDS[: len(stored.records)])


def test_completion_line_counts_records(tmp_path):
    path = tmp_path / "c.jsonl"
    write(path, complete=False)
    with open(path, "ab") as file:
        file.write(cache.line(DIGEST, 4, "complete", {"records": 2}))
    assert cache.read(path, DIGEST).damage
    assert not cache.read(path, DIGEST).complete


def test_good_line_behind_the_end(tmp_path):
    path = tmp_path / "c.jsonl"
    write(path)
    more = cache.line(DIGEST, 5, "record", {"record": {"n": 4}, "seconds": 0.0})
    stored = cache.parse(DIGEST, path.read_bytes() + more)
    assert stored.damage
    assert not stored.complete
    assert equal(stored.records, RECORDS)


def test_foreign_digest_is_not_believed(tmp_path):
    write(tmp_path / "c.jsonl")
    stored = cache.read(tmp_path / "c.jsonl", "e" * 64)
    assert stored.header is None
    assert stored.records == []
    assert stored.damage


def test_resume_drops_the_damaged_rest(tmp_path):
    path = tmp_path / "c.jsonl"
    write(path)
    content = path.read_bytes()
    third = content.split(b"\n")[2]
    path.write_bytes(content.replace(third, third.replace(b"nan", b"inf")))
    with cache.Writer.open(path, DIGEST) as writer:
        assert equal(writer.stored.records, RECORDS[:1])
        writer.resume()
        for record in RECORDS[1:]:
            writer.append(record, 0.25)
        writer.complete({})
    assert path.read_bytes() == content


def test_resume_behind_the_last_record(tmp_path):
    """What follows the completion line costs that line, not the records."""
    path = tmp_path / "c.jsonl"
    write(path)
    content = path.read_bytes()
    path.write_bytes(content + b"junk")
    with cache.Writer.open(path, DIGEST) as writer:
        assert equal(writer.stored.records, RECORDS)
        writer.resume()
        writer.complete({})
    assert path.read_bytes() == content


def test_one_writer_at_a_time(tmp_path):
    path = tmp_path / "c.jsonl"
    with cache.Writer.open(path, DIGEST):
        assert cache.Writer.open(path, DIGEST) is None
    with cache.Writer.open(path, DIGEST) as writer:
        assert writer is not None


def test_file_pruned_while_waiting_for_the_lock(tmp_path, monkeypatch):
    """The lock of a file that has no name any more protects nothing."""
    path = tmp_path / "c.jsonl"
    write(path)
    lock, pruned = cache.fcntl.flock, []

    def flock(descriptor, operation):
        if not pruned:
            pruned.append(True)
            path.unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(cache.fcntl, "flock", flock)
    with cache.Writer.open(path, DIGEST) as writer:
        writer.start({"cell": {}})
    assert cache.read(path, DIGEST).header == {"cell": {}}


def test_folder_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LINALG_ML_RECORDS", raising=False)
    assert cache.default_folder(tmp_path) == tmp_path / ".records"
    monkeypatch.setenv("LINALG_ML_RECORDS", str(tmp_path / "elsewhere"))
    assert cache.default_folder(tmp_path) == tmp_path / "elsewhere"
