"""The command line: what it prints, what it writes and how it ends."""

import json
import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "paper_repro" / "README.md"
QUIET = "--no-figures"


@pytest.fixture
def project(checkout):
    """A checkout with a study, its drawing and a paper."""
    checkout.study()
    checkout.drawing()
    checkout.paper()
    return checkout


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.figure
def test_run_computes_draws_and_checks(project):
    done = project.command("run", "made_up")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == [
        "made_up",
        "PASSED largest max value = 3, at most 3 (Section 1)",
        "1 passed",
    ]
    assert "tiny: 3 cells, about 1 s" in done.stderr
    assert "tiny: 6 records; 3 cells computed, 0 were stored" in done.stderr
    folder = project.root / "figures/gallery/made_up"
    names = sorted(p.name for p in folder.iterdir())
    assert names == [f"values.{e}" for e in ("csv", "json", "png", "svg")]
    about = json.loads((folder / "values.json").read_text())
    for key, value in {
        "paper": "made_up",
        "figure": "values",
        "study": "tiny",
        "level": "quick",
        "backend": "numpy",
        "seed": 0,
        "records": 6,
        "title": "Values",
    }.items():
        assert about[key] == value
    (origin,) = about["computed_by"]
    assert {"commit", "dirty", "date", "versions", "machine", "precision_settings"} <= set(origin)
    assert str(project.root) not in json.dumps(about)

    before = (folder / "values.svg").read_bytes()
    again = project.command("run", "tiny")
    assert again.returncode == 0
    assert "0 cells computed, 3 were stored" in again.stderr
    assert len(project.computed()) == 6
    assert (folder / "values.svg").read_bytes() == before


def test_list(project):
    done = project.command("list")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == [
        "papers",
        "made_up: A made-up paper (2026); 1 figures, 1 claims",
        "values: Values (study tiny)",
        "studies",
        "tiny: A made-up study; quick 1 s, full 2 s; runs on numpy",
    ]
    project.write("experiments/broken.py", "STUDY = 1 / 0\n")
    done = project.command("list")
    assert done.returncode == 3
    assert "broken: cannot be loaded: ZeroDivisionError" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "tinny"], "there is no paper or study 'tinny'\npapers: made_up\nstudies: tiny"),
        (["check", "tinny"], "studies: tiny"),
        (["run"], "the following arguments are required: NAME"),
        (["run", "tiny", "--quick", "--full"], "not allowed with argument"),
        (["run", "tiny", "--backend", "torch"], "invalid choice: 'torch'"),
        (["run", "tiny", "--seed", "-1"], "a seed is a whole number from 0 on, got '-1'"),
        (["run", "tiny", "--seed", "one"], "a seed is a whole number from 0 on, got 'one'"),
        (["go"], "invalid choice: 'go'"),
        ([], "required: command"),
    ],
)
def test_wrong_usage(project, arguments, message):
    done = project.command(*arguments)
    assert done.returncode == 2
    assert message in "\n".join(lines(done.stderr))
    assert project.computed() == []


def test_records_that_cannot_be_read_are_a_failed_study(project):
    project.write("file", "")
    done = project.command("run", "tiny", QUIET, "--records", "file")
    assert done.returncode == 3
    assert "FAILED study tiny: NotADirectoryError" in done.stdout


def test_a_reader_that_goes_away_is_no_error(project):
    process = project.start("-m", "paper_repro", "list")
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 141  # as for programs that the signal SIGPIPE ends


def test_help_tells_the_exit_status(project):
    done = project.command("run", "--help")
    assert done.returncode == 0
    assert "130  interrupted; what was computed is kept" in done.stdout


def test_broken_paper_is_reported(project):
    project.edit("paper_repro/made_up/paper.toml", "at_most", "atmost")
    done = project.command("run", "tiny")
    assert done.returncode == 2
    assert "paper_repro/made_up/paper.toml: claim 'largest': unknown key 'atmost'" in done.stderr


def test_claims_that_do_not_hold(project):
    project.edit("paper_repro/made_up/paper.toml", "at_most = 3", "at_most = 2")
    done = project.command("run", "made_up", QUIET)
    assert done.returncode == 1
    assert "FAILED largest max value = 3, at most 2 (Section 1)" in lines(done.stdout)
    project.edit("paper_repro/made_up/paper.toml", '"value"', '"valeu"')
    done = project.command("check")
    assert done.returncode == 1
    assert "ERROR largest" in "\n".join(lines(done.stdout))


def test_figure_that_selects_nothing_is_an_error(project):
    project.edit("paper_repro/made_up/paper.toml", 'title = "Values"',
                 'title = "Values"\nselect = {a = 99}')  # fmt: skip
    done = project.command("run", "made_up", QUIET)
    assert done.returncode == 1
    assert "its figure selects nothing: no record has a = 99" in done.stdout


def test_check_computes_nothing(project):
    done = project.command("check")
    assert done.returncode == 4
    assert "NO RECORDS largest 3 of 3 cells of tiny (quick) have no records; compute them: " \
        "python -m paper_repro run tiny" in "\n".join(lines(done.stdout))  # fmt: skip
    assert project.computed() == []
    assert not project.records.exists()
    project.command("run", "tiny", QUIET)
    assert project.command("check").returncode == 0
    assert project.command("check", "made_up", "--quick").returncode == 0
    assert project.command("check", "--full").returncode == 4
    assert project.command("check", "--seed", "1").returncode == 4
    assert len(project.computed()) == 6


def test_check_prefers_the_full_records(project):
    project.paper(text=project.PAPER.replace("at_most = 3", 'equals = 4\nlevel = "full"'))
    quick = project.command("run", "tiny", QUIET)
    assert quick.returncode == 0
    assert "NOT CHECKED largest needs the records of a full run (--full)" in lines(quick.stdout)[1]
    assert project.command("check").returncode == 0
    full = project.command("run", "tiny", "--full", QUIET)
    assert full.returncode == 0
    assert "full run of 1 study: about 1 s expected" in full.stderr
    # The three cells that both levels have in common are not computed again.
    assert "4 cells, 3 of them stored" in full.stderr
    assert "PASSED" in project.command("check").stdout
    assert "NOT CHECKED" in project.command("check", "--quick").stdout


def test_damaged_records_are_missing_records(project):
    project.command("run", "tiny", QUIET)
    file = project.record_files()[0]
    file.write_bytes(file.read_bytes().replace(b'"value":', b'"value": '))
    done = project.command("check")
    assert done.returncode == 4
    assert (
        "1 of 3 cells of tiny (quick) have no records (1 of them in a damaged file)" in done.stdout
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a = cell", "a = cell"),
        ('"value": value', '"value": [value]'),
        ('"value": value', '"a": -1'),
        ("yield", "yield {}\n        yield"),
    ],
)
def test_failing_study_does_not_stop_the_others(project, old, new):
    project.study("other")
    if old == new:
        project.edit("experiments/other.py", "value = ", 'assert cell["a"] != 1\n        value = ')
    else:
        project.edit("experiments/other.py", old, new)
    done = project.command("run", "other", "tiny", QUIET)
    assert done.returncode == 3
    assert "PASSED largest" in lines(done.stdout)[1]
    assert "FAILED study other: StudyFailed" in done.stdout
    assert done.stderr.count("Traceback") == 1
    assert "tiny: 6 records; 3 cells computed" in done.stderr
    if old == new:
        assert (
            "1 of 3 cells failed, the first at {'a': 1, 'items': 2}: AssertionError" in done.stdout
        )
        # The cells that could be computed are kept.
        before = len(project.computed())
        project.command("run", "other", QUIET)
        assert len(project.computed()) == before


def test_study_that_cannot_be_imported(project):
    project.study("other")
    project.edit("experiments/other.py", 'name="other"', 'name="another"')
    done = project.command("run", "all", QUIET)
    assert done.returncode == 3
    assert "experiments/other.py names its study 'another'" in done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.figure
def test_failing_drawing(project):
    project.edit("figures/tiny.py", '"value"', '"valeu"')
    done = project.command("run", "tiny")
    assert done.returncode == 3
    assert "FAILED figure made_up/values: KeyError: 'valeu'" in done.stdout
    assert "1 passed" in done.stdout
    assert not (project.root / "figures/gallery").exists()


@pytest.mark.figure
def test_study_without_a_paper_is_drawn_by_its_own_drawing(project):
    project.study("alone")
    project.drawing("alone")
    pictures = project.root / "elsewhere"
    done = project.command("run", "alone", "--gallery", str(pictures))
    assert done.returncode == 0, done.stderr
    assert (pictures / "studies" / "alone.svg").exists()
    assert (
        json.loads((pictures / "studies" / "alone.json").read_text())["title"] == "A made-up study"
    )
    assert "no claims" in done.stdout


@pytest.mark.figure
def test_figure_of_the_full_level_alone(project):
    project.edit(
        "paper_repro/made_up/paper.toml", 'title = "Values"', 'title = "V"\nlevel = "full"'
    )
    project.edit("paper_repro/made_up/paper.toml", "at_most = 3", "at_most = 4")
    pictures = project.root / "elsewhere"
    for options, drawn in ((), False), (("--full",), True):
        done = project.command("run", "made_up", *options, "--gallery", str(pictures))
        assert done.returncode == 0, done.stderr
        assert (pictures / "made_up" / "values.svg").exists() == drawn
    project.edit("paper_repro/made_up/paper.toml", 'level = "full"', 'level = "slow"')
    done = project.command("list")
    assert "level must be quick or full, got 'slow'" in done.stderr


def test_seed_and_folder_of_records(project):
    folder = project.root / "kept"
    project.command("run", "tiny", QUIET, LINALG_ML_RECORDS=str(folder))
    assert not project.records.exists()
    assert len(list(folder.glob("tiny/*.jsonl"))) == 3
    project.command("run", "tiny", QUIET, "--seed", "5", "--records", str(folder))
    assert len(list(folder.glob("tiny/*.jsonl"))) == 6
    assert not project.records.exists()


def test_backend_that_is_not_there(project):
    project.write("cupy.py", "class cuda:\n    is_available = staticmethod(lambda: False)\n")
    done = project.command("run", "tiny", "--backend", "cupy")
    assert done.returncode == 2
    assert "CuPy finds no CUDA device" in done.stderr
    assert project.computed() == []


def test_study_that_does_not_run_on_a_backend(project):
    project.write("cupy.py", "class cuda:\n    is_available = staticmethod(lambda: True)\n")
    done = project.command("run", "tiny", QUIET, "--backend", "cupy")
    assert done.returncode == 0, done.stderr
    assert "NOT CHECKED largest tiny does not run on cupy" in lines(done.stdout)[1]
    check = project.command("check", "--backend", "cupy")
    assert check.returncode == 0
    assert "NOT CHECKED" in check.stdout
    assert project.computed() == []


def test_edited_source_is_computed_again_and_the_old_records_cleaned(project):
    project.command("run", "tiny", QUIET)
    project.edit("experiments/tiny.py", "import os\n", "import os\n# edited\n")
    assert project.command("check").returncode == 4
    project.command("run", "tiny", QUIET)
    assert len(project.computed()) == 12
    assert len(project.record_files()) == 6
    project.write(".records/gone/0.jsonl", "not a record file\n")

    done = project.command("clean", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "4 stale record files found" in done.stdout
    assert len(project.record_files()) == 7
    assert "4 stale record files deleted" in project.command("clean").stdout
    assert len(project.record_files()) == 3
    assert project.command("check").returncode == 0
    assert "0 stale" in project.command("clean").stdout


def test_module_the_digest_does_not_cover(project):
    """A study that loads a module nobody can read from its source is not stored as complete."""
    project.write("linalg_ml/hidden.py", "x = 1\n")
    code = "exec('import linalg_' + 'ml.hidden')"
    project.edit("experiments/tiny.py", "time.sleep(0.0)", code)
    done = project.command("run", "tiny", QUIET)
    assert done.returncode == 3
    assert "linalg_ml.hidden, which its cache digest does not cover" in done.stdout
    project.edit("experiments/tiny.py", "    full_seconds=2,",
                 "    full_seconds=2,\n    modules=('linalg_ml.hidden',),")  # fmt: skip
    done = project.command("run", "tiny", QUIET)
    assert done.returncode == 0, done.stderr
    project.edit("linalg_ml/hidden.py", "1", "2")
    assert project.command("check").returncode == 4


def test_source_edited_while_the_study_runs(project):
    """Records must not mix a digest of the old source with results of the new one."""
    project.write("linalg_ml/late.py", "x = 1\n")
    project.edit(
        "experiments/tiny.py",
        "        time.sleep(0.0)",
        "        if cell['a'] == 1:\n            from linalg_ml import late",
    )
    project.edit("experiments/tiny.py", "import os\n", "import os\nimport pathlib\n")
    editing = (
        "if cell['a'] == 0:\n            pathlib.Path('linalg_ml/late.py').write_text('x = 2')"
    )
    project.edit("experiments/tiny.py", "        value =", f"        {editing}\n        value =")
    done = project.command("run", "tiny", QUIET)
    assert done.returncode == 3
    assert "the source of linalg_ml.late was edited while the study ran" in done.stdout
    assert "1 passed" in project.command("run", "tiny", QUIET).stdout


def test_time_left_in_a_log(project):
    project.study(cells=4, items=1, pause=0.05)
    project.edit("experiments/progress.py", "_LOG_EVERY = 5.0", "_LOG_EVERY = 0.0")
    done = project.command("run", "tiny", QUIET)
    assert "tiny: 2 of 4 cells, about 1 s left\n" in done.stderr
    assert "\r" not in done.stderr


def test_works_without_git(project, tmp_path):
    # The interpreter is started by its full path; nothing else is to be found.
    done = project.command("run", "tiny", QUIET, PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    header = json.loads(project.record_files()[0].read_bytes().splitlines()[0])["data"]
    assert header["provenance"]["commit"] is None
    assert shutil.which("git") is not None


def test_study_whose_package_is_not_installed(project):
    """It is left out, and its claims are not checked; a module of ours that lacks is a failure."""
    project.edit(
        "experiments/tiny.py",
        "STUDY = Study(",
        """
def absent(parameters):
    raise ModuleNotFoundError("needs Telepathy, which is not installed", name="telepathy")


STUDY = Study(
    cells=absent,""",
    )
    done = project.command("run", "tiny", QUIET)
    assert done.returncode == 0, done.stderr
    assert "tiny needs Telepathy, which is not installed: left out" in done.stderr
    wanted = "NOT CHECKED largest tiny needs Telepathy, which is not installed"
    assert wanted in lines(done.stdout)[1]
    check = project.command("check")
    assert check.returncode == 0 and wanted in lines(check.stdout)[1]
    project.edit("experiments/tiny.py", '"telepathy"', '"experiments.telepathy"')
    assert project.command("run", "tiny", QUIET).returncode == 3


@pytest.mark.figure
def test_the_examples_of_the_readme(checkout):
    for language in ("python", "toml"):
        for text in re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL):
            checkout.write(text.split(maxsplit=2)[1], text)  # the first line names the file
    shutil.rmtree(checkout.root / "linalg_ml")
    (checkout.root / "linalg_ml").symlink_to(README.parents[1] / "linalg_ml")
    done = checkout.command("run", "polar_express")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 not checked" in done.stdout
