"""Train models from the command line: ``python -m linalg_ml.deep_directions train NAME``."""

import argparse
import sys
import time
from pathlib import Path

from linalg_ml.deep_directions.architecture import ARCHITECTURES
from linalg_ml.deep_directions.multigrid_training import train_multigrid
from linalg_ml.deep_directions.training import RECIPES, draw_losses, train
from linalg_ml.deep_directions.weights_file import save

_NUMBERS = ("grid", "geometries", "rollout", "samples", "steps", "batch")


def parser():
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m linalg_ml.deep_directions")
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser(
        "train",
        help="train a model, or go on with a training that was interrupted",
        description="Train a model. The same command goes on where it was interrupted.",
    )
    one.add_argument("name", choices=[*sorted(ARCHITECTURES), "multigrid"])
    one.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    one.add_argument(
        "--out", type=Path, help="file of the weights; NAME-2d.npz or, for multigrid, .json"
    )
    one.add_argument("--seed", type=int, dest="rng", default=0)
    networks = one.add_argument_group("networks", "the defaults depend on NAME")
    networks.add_argument("--plot", type=Path, help="draw the losses into this file (matplotlib)")
    networks.add_argument("--data", choices=("ritz", "sine"))
    networks.add_argument("--loss", choices=("residual", "energy"))
    networks.add_argument("--lr", type=float)
    networks.add_argument("--clip", type=float)
    for name in _NUMBERS:
        networks.add_argument(f"--{name}", type=int)
    return top


def main(arguments=None):
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    if given["name"] == "multigrid":
        return _train_multigrid(given)
    name, out, plot = given["name"], given.pop("out"), given.pop("plot")
    out = out or Path(f"{name}-{given['dimensions']}d.npz")
    kept = out.with_suffix(".checkpoint.npz")
    options = {key: value for key, value in given.items() if value is not None}
    options.pop("command"), options.pop("name")
    options = {**RECIPES[name, given["dimensions"]], **options}
    print(f"training {name}:", ", ".join(f"{k} {v}" for k, v in options.items()))
    if kept.exists():
        print(f"going on from {kept}")
    try:
        network = train(name, checkpoint=kept, callback=Printer(), **options)
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command goes on from {kept}")
        return 130
    save(out, network)
    kept.unlink()
    print(f"{out}: loss {network.provenance['validation']:.4g} on what was kept for validation")
    if plot is not None:
        draw_losses(network, plot)
        print(plot)
    return 0


def _train_multigrid(given):
    """Train the numbers of the multigrid; the file keeps every evaluation."""
    dimensions = given["dimensions"]
    known = {"command", "name", "dimensions", "out", "rng"}
    odd = [f"--{key}" for key, value in given.items() if value is not None and key not in known]
    if odd:
        print(f"{odd[0]} is an option of networks, not of the multigrid", file=sys.stderr)
        return 2
    out = given["out"] or Path(f"multigrid-{dimensions}d.json")
    try:
        found = train_multigrid(
            dimensions,
            rng=given["rng"],
            checkpoint=out,
            callback=lambda made, best: print(f"{made} evaluations  loss {best:.4f}", flush=True),
        )
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command goes on from {out}")
        return 130
    print(f"{out}: mean log contraction {found.loss:.4f}\n{found.weights}")
    return 0


class Printer:
    """Print a line about the training now and then."""

    def __init__(self, seconds=5.0):
        self.seconds, self.last = seconds, 0.0

    def __call__(self, progress):
        """Take note of one step."""
        now = time.monotonic()
        if now - self.last < self.seconds and progress.step < progress.steps:
            return
        self.last = now
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        print(
            f"step {progress.step} of {progress.steps}  loss {progress.loss:.4f}  "
            f"validation {progress.validation:.4f}  {minutes}:{seconds:02d} left",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
