"""From names to outcomes: compute or load records, draw the figures, check the claims."""

import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from experiments import cache, registry
from experiments.digest import CodeDigest
from experiments.progress import Progress, duration
from experiments.provenance import commit, cores
from experiments.prune import prune
from experiments.run import ROOT, Conditions, MissingRecords, Plan, StudyFailed, StudyRun
from figures import gallery
from paper_repro import claims, papers
from paper_repro.selection import select

_LONG = 60.0  # seconds above which a quick run is announced too


class UnknownName(ValueError):
    """A name that is neither a paper nor a study."""


@dataclass
class Report:
    """What came of a walk.

    Attributes
    ----------
    outcomes : list of claims.Outcome
    failures : list of str
        Studies that failed and drawings that could not be made.
    """

    outcomes: list = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 all good, 3 something failed, 1 a claim is wrong, 4 records are missing."""
        if self.failures:
            return 3
        if any(outcome.is_wrong for outcome in self.outcomes):
            return 1
        return 4 if any(o.status == claims.NO_RECORDS for o in self.outcomes) else 0


class Walk:
    """The papers and studies of this checkout and where their results go.

    Parameters
    ----------
    records, pictures : Path, optional
        Folders for records and for the gallery.
    progress : Progress, optional
    """

    def __init__(self, records=None, pictures=None, progress=None):
        self.records = Path(records) if records else cache.default_folder(ROOT)
        self.gallery = Path(pictures) if pictures else gallery.FOLDER
        self.progress = progress or Progress()
        self.studies = registry.names()
        self.drawings = gallery.names()
        self.papers = {
            name: papers.load(name, self.studies, self.drawings) for name in papers.names()
        }

    def choose(self, names: list[str]) -> tuple[list[str], list[papers.Figure], list]:
        """Return the studies, figures and claims that names of papers and studies stand for."""
        studies, figures = {}, {}
        for name in names:
            if name != "all" and name not in self.papers and name not in self.studies:
                raise UnknownName(
                    f"there is no paper or study {name!r}\n"
                    f"papers:  {', '.join(self.papers) or 'none'}\n"
                    f"studies: {', '.join(self.studies) or 'none'}"
                )
            for paper in self.papers.values():
                for figure in paper.figures:
                    if name in ("all", paper.name, figure.study):
                        studies[figure.study] = figures[figure.paper, figure.id] = figure
            for study in self.studies if name == "all" else [name]:
                if study in self.studies:
                    studies[study] = None
        drawn = {figure.study for figure in figures.values()}
        for study in studies:
            # A study that stands in no paper is drawn by the drawing of its own name.
            if study not in drawn and study in self.drawings:
                figures["studies", study] = papers.Figure("studies", study, study, study, "")
        chosen = [
            claim
            for paper in self.papers.values()
            for claim in paper.claims
            if (claim.paper, claim.figure.id) in figures
        ]
        return list(studies), list(figures.values()), chosen

    def run(self, names: list[str], conditions: Conditions, *, draw: bool = True) -> Report:
        """Compute what is missing, draw, and check."""
        studies, figures, chosen = self.choose(names)
        report, runs, reasons = Report(), {}, {}
        plans, seconds = {}, 0.0
        for name in studies:
            try:
                study = registry.load(name)
                if conditions.backend not in study.backends:
                    reasons[name] = f"{name} does not run on {conditions.backend}"
                    self.progress.note(f"{reasons[name]}: left out")
                    continue
                plan = Plan(study, conditions, self.records)
                seconds += plan.seconds(plan.missing())
                plans[name] = plan
            except Exception as error:
                if isinstance(error, ModuleNotFoundError) and not _is_ours(error.name):
                    reasons[name] = f"{name} {error}"
                    self.progress.note(f"{reasons[name]}: left out")
                    continue
                self._fail(report, f"study {name}", error)
        self._announce(len(plans), seconds, conditions.level)
        for name, plan in plans.items():
            try:
                runs[name] = run = plan.run(self.progress)
                self.progress.note(
                    f"{name}: {len(run.records)} records; {run.computed} cells computed, "
                    f"{run.stored} were stored"
                )
            except Exception as error:
                self._fail(report, f"study {name}", error)
        if draw:
            for figure in figures:
                if figure.study in runs and figure.level in ("quick", conditions.level):
                    self._draw(figure, runs[figure.study], report)
        for claim in chosen:
            name = claim.figure.study
            if name in reasons:
                outcome = claims.Outcome(claim, claims.NOT_CHECKED, reasons[name])
            elif name not in runs:
                outcome = claims.Outcome(claim, claims.NO_RECORDS, f"the study {name} failed")
            else:
                outcome = self._check(claim, runs[name])
            report.outcomes.append(outcome)
        return report

    def check(self, names: list[str], level: str | None, backend: str, seed: int) -> Report:
        """Check claims on stored records; without a level, on the fullest records there are."""
        studies, _, chosen = self.choose(names)
        report, runs, reasons, missing = Report(), {}, {}, {}
        wanted = {claim.figure.study for claim in chosen}
        for name in studies:
            if name not in wanted:
                continue
            try:
                study = registry.load(name)
                if backend not in study.backends:
                    reasons[name] = f"{name} does not run on {backend}"
                    continue
                for choice in (level,) if level else ("full", "quick"):
                    try:
                        plan = Plan(study, Conditions(choice, backend, seed), self.records)
                        runs[name] = plan.load()
                        break
                    except MissingRecords as error:
                        missing[name] = f"{error}; compute them: python -m paper_repro run {name}"
                        missing[name] += " --full" if choice == "full" else ""
            except Exception as error:
                if isinstance(error, ModuleNotFoundError) and not _is_ours(error.name):
                    reasons[name] = f"{name} {error}"
                    continue
                self._fail(report, f"study {name}", error)
                missing[name] = f"the study {name} failed"
        for claim in chosen:
            name = claim.figure.study
            if name in runs:
                outcome = self._check(claim, runs[name])
            else:
                unknown = level or ("quick" if claim.level == "quick only" else "full")
                reason = claims.not_checkable(claim, unknown, backend) or reasons.get(name)
                status = claims.NO_RECORDS if reason is None else claims.NOT_CHECKED
                outcome = claims.Outcome(claim, status, reason or missing[name])
            report.outcomes.append(outcome)
        return report

    def clean(self, *, dry_run: bool = False) -> list[Path]:
        """Delete records that no run of the present sources could use."""

        def code(name: str, backend: str):
            return CodeDigest(registry.load(name), backend, ROOT) if name in self.studies else None

        return prune(self.records, code, dry_run=dry_run)

    def _announce(self, count: int, seconds: float, level: str) -> None:
        """Say beforehand how long it will take."""
        if count and (level == "full" or seconds > _LONG):
            studies = "study" if count == 1 else "studies"
            self.progress.note(
                f"{level} run of {count} {studies}: about {duration(seconds)} expected on two "
                f"cores (this process may use {cores()}); Ctrl-C keeps what is done"
            )

    def _draw(self, figure: papers.Figure, run: StudyRun, report: Report) -> None:
        provenance = {
            "paper": figure.paper,
            "figure": figure.id,
            "paper_figure": figure.paper_figure,
            "title": figure.title or run.study.title,
            "study": run.study.name,
            "level": run.conditions.level,
            "backend": run.conditions.backend,
            "seed": run.conditions.seed,
            "select": dict(figure.select),
            "computing_seconds": round(run.seconds, 3),
            "computed_by": run.origins,
            "drawn_by": commit(ROOT),
        }
        try:
            records = select(run.records, figure.select)
            target = self.gallery / figure.paper / figure.id
            gallery.write(figure.drawing, records, target, provenance)
        except Exception as error:
            self._fail(report, f"figure {figure.paper}/{figure.id}", error)

    def _check(self, claim: papers.Claim, run: StudyRun) -> claims.Outcome:
        try:
            records = select(run.records, claim.figure.select)
        except ValueError as error:
            return claims.Outcome(claim, claims.ERROR, f"its figure selects nothing: {error}")
        return claims.check(claim, records, run.conditions.level, run.conditions.backend)

    def _fail(self, report: Report, what: str, error: Exception) -> None:
        """Report a failure without stopping the rest."""
        # The traceback of a failing cell has been shown where it happened.
        if not isinstance(error, StudyFailed):
            self.progress.note("".join(traceback.format_exception(error)).rstrip())
        report.failures.append(f"{what}: {type(error).__name__}: {error}")
        self.progress.note(f"{what} failed")


def _is_ours(module: str | None) -> bool:
    """Whether a module that was not found is one of this checkout, not an optional package."""
    return module is None or module.partition(".")[0] in ("experiments", "linalg_ml")


def summary(report: Report, stream=None) -> None:
    """Print the table of claims, and what failed."""
    print(claims.table(report.outcomes), file=stream or sys.stdout)
    for failure in report.failures:
        print(f"FAILED {failure}", file=stream or sys.stdout)
