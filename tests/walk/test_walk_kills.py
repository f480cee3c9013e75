"""Real kills, interrupts and rivals: finished records are kept, and nothing else is believed."""

import json
import random
import signal
import threading
import time

import pytest

CELLS, ITEMS = 8, 6


def stored_items(checkout) -> set[str]:
    """Return the items whose records can be read back, in the form the study logs them."""
    found = set()
    for path in checkout.record_files():
        for line in path.read_bytes().split(b"\n")[:-1]:
            body = json.loads(line)
            if body["kind"] == "record":
                record = body["data"]["record"]
                found.add(f"{record['a']} {record['k']}")
    return found


def run(checkout):
    return checkout.start("-m", "paper_repro", "run", "tiny", "--no-figures")


def results(checkout) -> list[str]:
    """Return the study's records as it would hand them to a drawing."""
    done = checkout.python(
        "-c",
        "from experiments import cache, registry\n"
        "from experiments.run import ROOT, Conditions, Plan\n"
        "study = registry.load('tiny')\n"
        "run = Plan(study, Conditions(), cache.default_folder(ROOT)).load()\n"
        "print(*run.records, sep='\\n')",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


EXPECTED = [
    str({"a": a, "items": ITEMS, "k": k, "value": (a + 1) / (k + 1), "nan": float("nan"),
         "inf": float("inf") * (-1) ** k})
    for a in range(CELLS) for k in range(ITEMS)
]  # fmt: skip


def test_killed_at_any_moment(checkout):
    """No stored record is lost or computed again, whenever the process dies."""
    checkout.study(cells=CELLS, items=ITEMS, pause=0.005)
    # Most delays fall behind the start of the interpreter, where the work is.
    rng = random.Random()
    kills, idle, before = 0, 0, set()
    while True:
        logged = len(checkout.computed())
        process = run(checkout)
        began = time.monotonic()
        # A third die right after an item was computed: before, in or behind its writing.
        wanted = logged + rng.randrange(1, 7)
        limit = rng.uniform(0.0, 0.6) * 1.2**idle  # a busy machine takes longer to start
        while process.poll() is None and time.monotonic() - began < limit:
            if rng.random() < 0.5 and len(checkout.computed()) >= wanted:
                break
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        err = process.communicate()[1]
        assert process.returncode in (0, -signal.SIGKILL), err
        again = before & set(checkout.computed()[logged:])
        assert not again, f"stored records computed again: {again}"
        now = stored_items(checkout)
        assert before <= now, f"stored records lost: {before - now}"
        idle = 0 if len(now) > len(before) else idle + 1
        before = now
        if process.returncode == 0:
            break
        kills += 1
        assert kills < 200
    assert kills >= 5
    assert results(checkout) == EXPECTED
    # Each kill may cost the one item being computed, no more.
    assert len(checkout.computed()) <= CELLS * ITEMS + kills


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def cannot_resume(checkout):
    checkout.edit("experiments/tiny.py", 'context.remaining(range(cell["items"]))',
                  'range(cell["items"])')  # fmt: skip


def test_cell_that_cannot_resume_starts_again(checkout):
    checkout.study(cells=CELLS, items=ITEMS)
    cannot_resume(checkout)
    hold = checkout.hold(2, 3)
    process = run(checkout)
    wait_until(lambda: len(checkout.computed()) == 2 * ITEMS + 3)
    process.kill()
    process.communicate()
    hold.unlink()
    logged = len(checkout.computed())
    done = checkout.command("run", "tiny", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert results(checkout) == EXPECTED
    # The two finished cells are left alone, the third starts at its first item.
    assert checkout.computed()[logged] == "2 0"


@pytest.mark.parametrize("asks", ["remaining", "earlier"])
def test_interrupt_keeps_what_is_done(checkout, asks):
    checkout.study(cells=CELLS, items=ITEMS)
    if asks == "earlier":
        checkout.edit("experiments/tiny.py", 'context.remaining(range(cell["items"]))',
                      'range(len(context.earlier()), cell["items"])')  # fmt: skip
    hold = checkout.hold(1, 2)
    process = run(checkout)
    wait_until(lambda: len(stored_items(checkout)) == ITEMS + 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    hold.unlink()
    kept = stored_items(checkout)
    assert len(kept) == ITEMS + 2
    done = checkout.command("run", "tiny", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert "8 cells, 1 of them stored" in done.stderr
    assert checkout.computed()[ITEMS + 2] == "1 2"
    assert len(checkout.computed()) == CELLS * ITEMS
    assert results(checkout) == EXPECTED


@pytest.mark.parametrize("resumes", [True, False])
def test_processes_share_the_work(checkout, resumes):
    checkout.study(cells=CELLS, items=ITEMS, pause=0.01)
    if not resumes:
        cannot_resume(checkout)
    rivals = [run(checkout) for _ in range(3)]
    for process in rivals:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sorted(checkout.computed()) == sorted(f"{a} {k}" for a in range(CELLS)
                                                 for k in range(ITEMS))  # fmt: skip
    assert results(checkout) == EXPECTED


def test_rival_killed_while_another_waits(checkout):
    """The lock of a dead process is free: the one that waited takes over."""
    checkout.study(cells=1, items=ITEMS)
    hold = checkout.hold(0, 3)
    first = run(checkout)
    wait_until(lambda: len(stored_items(checkout)) == 3)
    second = run(checkout)
    rescue = threading.Timer(30, second.kill)  # so that a failure is no hang
    rescue.start()
    assert "tiny: 1 cells" in second.stderr.readline()
    assert second.stderr.readline() == "tiny: waiting for another process\n"
    rescue.cancel()
    first.kill()
    first.communicate()
    hold.unlink()
    _, err = second.communicate(timeout=20)
    assert second.returncode == 0, err
    assert len(checkout.computed()) == ITEMS
    assert results(checkout) == EXPECTED[:ITEMS]


@pytest.mark.parametrize(("line", "again"), [(0, ITEMS), (3, ITEMS - 2), (-1, 0)])
def test_damage_is_reported_and_computed_again(checkout, line, again):
    """What stands before the damage is kept: only the rest is computed again."""
    checkout.study(cells=2, items=ITEMS)
    assert checkout.command("run", "tiny", "--no-figures").returncode == 0
    expected = results(checkout)
    victim = checkout.record_files()[0]
    lines = victim.read_bytes().splitlines()
    lines[line] = lines[line][:-5] + bytes([lines[line][-5] ^ 4]) + lines[line][-4:]
    victim.write_bytes(b"\n".join([*lines, b""]))
    logged = len(checkout.computed())
    done = checkout.command("run", "tiny", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert f"in {victim.name} line {line % len(lines) + 1} of 8 is damaged" in done.stderr
    assert len(checkout.computed()) - logged == again
    assert results(checkout) == expected


def test_records_copied_under_another_name(checkout):
    """A file of another cell in the right place is foreign, not a result."""
    checkout.study(cells=2, items=1)
    assert checkout.command("run", "tiny", "--no-figures").returncode == 0
    expected = results(checkout)
    one, two = checkout.record_files()
    two.write_bytes(one.read_bytes())
    done = checkout.command("run", "tiny", "--no-figures")
    assert "line 1 of 3 is damaged" in done.stderr
    assert results(checkout) == expected


def test_disk_full_is_a_failure_not_a_result(checkout):
    checkout.study(cells=1, items=ITEMS)
    checkout.write(
        "small_disk.py",
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1800, 1800))\n"
        "sys.argv = ['paper_repro', 'run', 'tiny', '--no-figures']\n"
        "runpy.run_module('paper_repro', run_name='__main__')\n",
    )
    done = checkout.python("small_disk.py")
    assert done.returncode == 3, done.stderr
    assert "OSError" in done.stdout
    assert checkout.command("run", "tiny", "--no-figures").returncode == 0
    assert results(checkout) == EXPECTED[:ITEMS]
