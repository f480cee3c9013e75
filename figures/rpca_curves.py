"""Relative error of the objective against steps and processor time."""

from figures.rpca_style import ORDER, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The penalised problem on a surveillance video, a column for each frame: relative error of the "
    "objective against steps (left) and processor time of one core (right), for larger weights "
    "(above) and smaller ones (below). FW-T counts with its bound on the nuclear norm. It leads "
    "for a few steps, corrective steps go on from there; FISTA needs a singular value "
    "decomposition in each step."
)


def draw(records):
    """Draw the curves."""
    found = groups([r for r in records if r["kind"] == "curve"], "delta")
    figure, axes = new_figure(PAGE, 2.6 * len(found) + 0.6, rows=len(found), columns=2)
    for row, (delta, chosen) in zip(axes, found.items(), strict=True):
        methods = groups(chosen, "method")
        for method in ORDER:
            curve = sorted(methods[method], key=lambda r: r["nit"])
            style = {**look(method), "markevery": max(1, len(curve) // 10)}
            errors = [r["error"] for r in curve]
            row[0].plot([r["nit"] for r in curve], errors, **style)
            row[1].plot([r["seconds"] for r in curve], errors, **style)
        rank = chosen[0]["rank"]
        title = f"weights {delta:g} ||M||: rank {rank} at the minimum"
        row[0].set(xlabel="steps", ylabel="(f - f*) / f*", title=title)
        row[1].set(xlabel="seconds", xscale="log", title="processor time")
        for ax in row:
            ax.set(yscale="log", ylim=(1e-9, 30))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
