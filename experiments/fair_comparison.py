"""Optimizers compared after equal tuning, at the end of their schedules only."""

import json

from experiments.tuning import CoordinateDescent

TUNING = "tuning"  # in place of the number of a seed


def cells(parameters):
    """List each optimizer at each length of training, and lengths for the baseline alone."""
    shared = {k: v for k, v in parameters.items() if k not in ("optimizers", "steps", "longer")}
    for optimizer in parameters["optimizers"]:
        longer = parameters["longer"] if optimizer == parameters["optimizers"][0] else ()
        for steps in (*parameters["steps"], *longer):
            alone = steps in longer
            yield {"optimizer": optimizer, "steps": steps, "baseline_alone": alone, **shared}


def compare(cell, context, grids, start, train):
    """Tune within the budget, then train anew with the best settings.

    Parameters
    ----------
    cell : dict
        "budget", the number of runs for tuning, and "seeds", that of runs with the best settings.
    context : Context
    grids, start : dict
        The hyper-parameters, as for `CoordinateDescent`.
    train : callable
        ``train(settings, seed)`` returns the loss on held-back data after all steps; ``seed`` is a
        number, or `TUNING`. Infinity or NaN if the run diverged.

    Yields
    ------
    dict
        Of "kind" "trial": "number", "settings" (JSON), "loss", and the name of the hyper-parameter
        that differs from the best settings so far. Of "kind" "final": "seed", "settings", "loss",
        and "at_an_end", the hyper-parameters that are best at the end of their grid.
    """
    search = CoordinateDescent(grids, start, cell["budget"])
    earlier = context.earlier()
    for number in range(cell["budget"]):
        settings = search.ask()
        if settings is None:
            break
        if number < len(earlier):
            search.tell(earlier[number]["loss"])
            continue
        changed = [name for name, value in settings.items() if value != search.best[name]]
        loss = train(settings, TUNING)
        search.tell(loss)
        yield {"kind": "trial", "number": number, "settings": json.dumps(settings), "loss": loss,
               "changed": " ".join(changed)}  # fmt: skip
    best, ends = json.dumps(search.best), " ".join(search.at_an_end())
    done = sum(record["kind"] == "final" for record in earlier)
    for seed in range(done, cell["seeds"]):
        yield {"kind": "final", "seed": seed, "settings": best, "loss": train(search.best, seed),
               "at_an_end": ends}  # fmt: skip
