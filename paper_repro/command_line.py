"""The command line: ``python -m paper_repro list | run | check | clean``."""

import argparse
import os
import signal
import sys

from experiments.progress import duration
from experiments.study import BACKENDS
from paper_repro.papers import PaperError

USAGE, INTERRUPTED = 2, 130
EPILOG = """\
exit status:
  0    all good (claims that cannot be checked here are listed as NOT CHECKED)
  1    a claim failed that was not known to, or is in error
  2    wrong usage: unknown name or option, unusable paper.toml, no such device
  3    a study or a drawing failed; the others were done
  4    check: records are missing
  130  interrupted; what was computed is kept, the same command goes on from there
"""


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 on, got {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    top = argparse.ArgumentParser(
        prog="python -m paper_repro",
        description="Compute the records behind the papers' figures, draw them, check the claims.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--records", metavar="FOLDER", help="default $LINALG_ML_RECORDS, or .records"
    )
    where = argparse.ArgumentParser(add_help=False, parents=[common])
    level = where.add_mutually_exclusive_group()
    for name in ("quick", "full"):
        level.add_argument(f"--{name}", dest="level", action="store_const", const=name)
    where.add_argument("--backend", choices=BACKENDS, default="numpy", help="array library")
    where.add_argument("--seed", type=_seed, default=0, metavar="N")

    def add(name, text, parent):
        return commands.add_parser(
            name,
            help=text,
            description=text,
            parents=[parent],
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    add("list", "list papers and studies", common)
    run = add("run", "compute (quick by default), draw into the gallery, check the claims", where)
    run.add_argument("names", nargs="+", metavar="NAME", help="a paper, a study, or all")
    run.add_argument("--gallery", metavar="FOLDER", help="default figures/gallery")
    run.add_argument("--no-figures", action="store_true", help="compute and check only")
    check = add("check", "check the claims on stored records, computing nothing", where)
    check.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="default all")
    clean = add("clean", "delete records that the present sources cannot use", common)
    clean.add_argument("--dry-run", action="store_true", help="only say which")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = parser().parse_args(arguments)
    # Only now: `--help` and a misspelt option need no study and no matplotlib.
    from paper_repro.walk import UnknownName

    try:
        status = _COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (UnknownName, PaperError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was computed is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED


def _list(options) -> int:
    from experiments import registry
    from paper_repro.walk import Walk

    walk = Walk(options.records)
    print("papers")
    for paper in walk.papers.values():
        print(
            f"  {paper.name}: {paper.about['title']} ({paper.about['year']}); "
            f"{len(paper.figures)} figures, {len(paper.claims)} claims"
        )
        for figure in paper.figures:
            number = f" [{figure.paper_figure}]" if figure.paper_figure else ""
            print(f"    {figure.id}{number}: {figure.title} (study {figure.study})")
    print("studies")
    status = 0
    for name in walk.studies:
        try:
            study = registry.load(name)
        except Exception as error:
            print(f"  {name}: cannot be loaded: {type(error).__name__}: {error}")
            status = 3
            continue
        print(
            f"  {name}: {study.title}; quick {duration(study.quick_seconds)}, "
            f"full {duration(study.full_seconds)}; runs on {', '.join(study.backends)}"
        )
    return status


def _run(options) -> int:
    from experiments.provenance import has_gpu
    from experiments.run import Conditions
    from paper_repro.walk import Walk, summary

    walk = Walk(options.records, options.gallery)
    walk.choose(options.names)  # a misspelt name is noticed before any device is looked for
    if options.backend == "cupy" and not has_gpu():
        print("--backend cupy: CuPy finds no CUDA device here", file=sys.stderr)
        return USAGE
    conditions = Conditions(options.level or "quick", options.backend, options.seed)
    report = walk.run(options.names, conditions, draw=not options.no_figures)
    summary(report)
    return report.exit_status


def _check(options) -> int:
    from paper_repro.walk import Walk, summary

    walk = Walk(options.records)
    report = walk.check(options.names, options.level, options.backend, options.seed)
    summary(report)
    return report.exit_status


def _clean(options) -> int:
    from paper_repro.walk import Walk

    stale = Walk(options.records).clean(dry_run=options.dry_run)
    for path in stale:
        print(f"{path.parent.name}/{path.name}")
    print(f"{len(stale)} stale record files {'found' if options.dry_run else 'deleted'}")
    return 0


_COMMANDS = {"list": _list, "run": _run, "check": _check, "clean": _clean}
