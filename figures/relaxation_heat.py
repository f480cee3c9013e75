"""The heat equation: total iterations and processor time against the number of unknowns."""

from statistics import fmean

from figures.relaxation_style import look, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Crank-Nicolson steps of the heat equation with a diffusion coefficient that goes between 0 "
    "and 10, each from the solution before, to 1e-8. Left: total iterations of CG, and of CG with "
    "SSOR for fixed and learned omega; the best fixed one and the best of the grid for each step "
    "are known only with hindsight. Right: processor time of choosing omega, preparing the "
    "preconditioner and solving, divided by that of CG without one; the sweeps are compiled as one "
    "loop, CG is a loop over array operations. Means over the seeds, bars from least to most."
)
ORDER = (
    "none",
    "omega-1",
    "omega-1.5",
    "best-fixed",
    "tsallis",
    "tsallis-bins",
    "thompson-bins",
    "chebyshev",
    "grid-minimum",
)


def draw(records):
    """Draw iterations and times."""
    policies = groups([r for r in records if r["kind"] == "total"], "policy")
    figure, axes = new_figure(PAGE, 4.0, columns=2)
    sizes = sorted({r["unknowns"] for r in policies["none"]})
    for policy in ORDER:
        _line(axes[0, 0], policy, policies[policy], "iterations")
        if policy not in ("none", "grid-minimum"):
            _line(axes[0, 1], policy, policies[policy], "over_plain")
    for ax in axes.flat:
        ax.set(xscale="log", xlabel="unknowns", xlim=(0.85 * sizes[0], 1.18 * sizes[-1]))
        plain_numbers(ax.xaxis, sizes)
    steps = records[0]["steps"]
    axes[0, 0].set(yscale="log", ylabel="thousand iterations in all")
    decades = (k * 10**d for d in range(3, 7) for k in (1, 2, 5))
    plain_numbers(axes[0, 0].yaxis, [n for n in decades if n <= 1e6], unit=1000)
    axes[0, 0].set_title(f"{steps} steps: iterations")
    axes[0, 1].set(ylabel="time / time of CG", ylim=(0, None))
    axes[0, 1].set_title("processor time")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    figure.suptitle("Learned from the coefficient, omega follows it and costs fewer iterations",
                    fontsize=10)  # fmt: skip
    return figure


def _line(ax, policy, records, field):
    sizes = groups(sorted(records, key=lambda r: r["unknowns"]), "unknowns")
    means = [fmean(r[field] for r in rows) for rows in sizes.values()]
    low = [m - min(r[field] for r in rows) for m, rows in zip(means, sizes.values(), strict=True)]
    high = [max(r[field] for r in rows) - m for m, rows in zip(means, sizes.values(), strict=True)]
    label = {"best-fixed": "best fixed omega", "grid-minimum": "best of the grid at each step"}
    style = look(policy)
    style["label"] = label.get(policy, style["label"])
    ax.errorbar(list(sizes), means, yerr=[low, high], capsize=2, **style)
