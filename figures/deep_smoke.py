"""A plume of smoke at four times, and what its pressure solves cost."""

import numpy as np

from figures.deep_rivals_style import SOLVERS, look
from figures.relaxation_style import plain_numbers
from figures.style import PAGE, groups

CAPTION = (
    "Above: smoke rising around obstacles; its density after a quarter, a half, three quarters and "
    "all of the steps. Each step solves one Poisson problem with Neumann obstacles for the "
    "pressure, to 1e-6, starting from the pressure before. Below: iterations and processor time of "
    "one thread for these systems, step by step, for the learned multigrid (every step) and its "
    "rivals (some of the steps). Every solver was set up once, which is not counted."
)


def draw(records):
    """Draw the pictures and the costs."""
    from matplotlib.figure import Figure

    pictures = groups([r for r in records if r["kind"] == "picture"], "step")
    solves = groups([r for r in records if r["kind"] == "solve"], "solver")
    figure = Figure(figsize=(PAGE, 5.8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.35, 1))
    for ax, (step, rows) in zip(above.subplots(1, len(pictures)), pictures.items(), strict=True):
        ax.imshow(_field(rows), cmap=_colours(), vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"step {step}")
        ax.set_axis_off()
    axes = below.subplots(1, 2)
    for solver in SOLVERS:
        if solver not in solves:
            continue
        rows = solves[solver]
        steps = [r["step"] for r in rows]
        style = look(solver, markevery=max(1, len(rows) // 10))
        axes[0].plot(steps, [r["iterations"] for r in rows], **style)
        axes[1].plot(steps, [1e3 * r["seconds"] for r in rows], **style)
    for ax, label in zip(axes, ("iterations", "processor time, ms"), strict=True):
        ax.set(yscale="log", xlabel="step", ylabel=f"{label} per solve")
        plain_numbers(ax.yaxis, [k * 10**d for d in range(4) for k in (1, 2, 5)])
    handles, labels = axes[0].get_legend_handles_labels()
    below.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=3.5)
    return figure


def _colours():
    from matplotlib import colormaps

    colours = colormaps["cividis"].copy()
    colours.set_bad("#9a9a9a")
    return colours


def _field(rows):
    """Return the density, masked in solids."""
    values = np.array(
        [
            [
                np.nan if row["cells"][k : k + 2] == "--" else int(row["cells"][k : k + 2], 16)
                for k in range(0, len(row["cells"]), 2)
            ]
            for row in sorted(rows, key=lambda r: r["row"])
        ]
    )
    return np.ma.masked_invalid(values / 255)
