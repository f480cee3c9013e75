"""The heat equation: the diffusion coefficient over time, and the omega chosen."""

from figures.relaxation_style import BLACK, BLUE, GREY, VERMILION, name
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Top: the diffusion coefficient. Bottom: iterations of CG with SSOR for every omega of the "
    "grid at each time (shades, means of 25 steps), the omega that two tuners chose (means and "
    "standard deviations of 25 steps), the best of the grid at each step and the best fixed one. "
    "ChebCB sees the coefficient and follows the valley; Tsallis-INF looks for one omega for all "
    "times."
)
COLORS = {"tsallis": VERMILION, "chebyshev": BLUE, "grid-minimum": BLACK}


def draw(records):
    """Draw the largest size that has all records."""
    side = max(r["side"] for r in records if r["kind"] == "contour")
    records = [r for r in records if r["side"] == side]
    kinds = groups(records, "kind")
    figure, axes = new_figure(PAGE, 4.6, rows=2)
    figure.get_layout_engine().set(hspace=0.02)
    top, bottom = axes.flat
    top.get_gridspec().set_height_ratios((1, 3))
    columns = groups(kinds["contour"], "time")
    times, omegas = list(columns), [r["omega"] for r in next(iter(columns.values()))]
    top.plot(times, [rows[0]["kappa"] for rows in columns.values()], color=BLACK)
    top.set(ylabel=r"$\kappa(t)$", ylim=(-0.5, 10.5))
    grid = [[rows[k]["iterations"] for rows in columns.values()] for k in range(len(omegas))]
    shades = bottom.contourf(times, omegas, grid, levels=12, cmap="Greys", alpha=0.75)
    figure.colorbar(shades, ax=bottom, label="iterations per step", pad=0.01)
    for policy, rows in groups(kinds["choice"], "policy").items():
        x, y = [r["time"] for r in rows], [r["omega"] for r in rows]
        dotted = policy == "grid-minimum"
        label = "best of the grid at each step" if dotted else name(policy)
        bottom.plot(x, y, color=COLORS[policy], linestyle=":" if dotted else "-", linewidth=1.6,
                    label=label)  # fmt: skip
        if not dotted:
            low = [r["omega"] - r["spread"] for r in rows]
            high = [r["omega"] + r["spread"] for r in rows]
            bottom.fill_between(x, low, high, color=COLORS[policy], alpha=0.2, linewidth=0)
    best = next(r["omega"] for r in kinds["total"] if r["policy"] == "best-fixed")
    bottom.axhline(best, color=GREY, linestyle="--", label="best fixed omega")
    bottom.set(xlabel="time", ylabel=r"$\omega$", ylim=(omegas[0], omegas[-1]))
    for ax in (top, bottom):
        ax.set_xlim(times[0], times[-1])
        ax.grid(False)
    handles, labels = bottom.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    unknowns = kinds["total"][0]["unknowns"]
    figure.suptitle(f"The best omega follows the coefficient, and ChebCB follows it "
                    f"({unknowns} unknowns)", fontsize=10)  # fmt: skip
    return figure
