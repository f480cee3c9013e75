"""Iterations of SOR against omega and what stands for them: one system, and means of many."""

from figures.relaxation_style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "SOR to 1e-8 of the initial residual on the Laplacian of a grid of 10 by 10 points. Top left: "
    "iterations, the estimate log(eps)/log(rho) from the spectral radius, the near-asymptotic "
    "surrogate U with the least tau that makes it a bound, and bounds from the energy norm: dotted "
    "the paper's formula, no bound where it is drawn in red (the norm is larger than it says), "
    "and solid a corrected one. Top right: how far the norm of the k-th power is above that of the "
    "spectral radius, and what tau allows. Bottom: means over shifted systems A + c I, c from two "
    "beta distributions, of iterations and of U; horizontal lines are the means at the best omega "
    "for each system."
)
NAMES = {"low": "Beta(2, 6)", "high": "Beta(1/2, 3/2)"}


def draw(records):
    """Draw the four panels."""
    panels = groups(records, "panel")
    single, many = panels["single"], groups(panels["instances"], "distribution")
    figure, axes = new_figure(PAGE, 5.6, rows=2, columns=2)
    _single(axes[0, 0], single)
    _excess(axes[0, 1], single)
    top = max(r["near"] for r in panels["instances"])
    for ax, distribution in zip(axes[1], NAMES, strict=True):
        _means(ax, many[distribution], NAMES[distribution])
        ax.set_ylim(30, 5 * top)
    figure.suptitle(
        "The surrogate U follows the iterations of SOR where bounds from norms do not", fontsize=10
    )
    return figure


def _single(ax, rows):
    x = [r["omega"] for r in rows]
    ax.plot(x, [r["energy"] for r in rows], color=ORANGE, label="energy-norm bound, corrected")
    for holds, color in ((True, GREY), (False, VERMILION)):
        part = [r for r in rows if (r["paper_over_norm"] >= 1) == holds]
        label = "as in the paper, valid" if holds else "as in the paper, no bound"
        ax.plot([r["omega"] for r in part], [r["energy_paper"] for r in part], ":", color=color,
                linewidth=2.2, label=label)  # fmt: skip
    ax.plot(x, [r["near"] for r in rows], "--", color=BLUE, label="near-asymptotic U")
    ax.plot(x, [r["asymptotic"] for r in rows], "-.", color=GREEN,
            label=r"$\log\varepsilon / \log\rho$")  # fmt: skip
    ax.plot(x, [r["actual"] for r in rows], color=BLACK, linewidth=2.0, label="iterations")
    ax.set(yscale="log", xlabel=r"$\omega$", ylabel="iterations", ylim=(25, 1500))
    ax.set_title("one system")
    ax.legend()


def _excess(ax, rows):
    x = [r["omega"] for r in rows]
    tau = rows[0]["tau"]
    ax.plot(x, [r["excess"] for r in rows], color=BLACK,
            label=r"$\|C^{k-1}\|^{1/(k-1)} - \rho$")  # fmt: skip
    ax.plot(x, [r["allowed"] for r in rows], "--", color=BLUE,
            label=rf"$\tau (1 - \rho)$,  $\tau = {tau:.3f}$")  # fmt: skip
    best = rows[0]["best_omega"]
    ax.axvline(best, color=GREY, linestyle=":")
    ax.annotate(r"$\omega^*$", (best, 0), (4, 2), textcoords="offset points", color=GREY)
    ax.set(xlabel=r"$\omega$", ylabel="asymptocity", ylim=(0, None))
    ax.set_title("how far from asymptotic")
    ax.legend()


def _means(ax, rows, name):
    x = [r["omega"] for r in rows]
    ax.plot(x, [r["near"] for r in rows], "--", color=BLUE, label="mean of U")
    ax.plot(x, [r["actual"] for r in rows], color=BLACK, linewidth=2.0, label="mean iterations")
    for field, color, text in (
        ("optimal_near", BLUE, "U"),
        ("optimal_actual", BLACK, "iterations"),
    ):
        ax.axhline(rows[0][field], color=color, linestyle=":",
                   label=rf"{text} at each system's $\omega^*$")  # fmt: skip
    ax.set(yscale="log", xlabel=r"$\omega$", ylabel="iterations")
    ax.set_title(f"{rows[0]['instances']} systems, shifts from {name}")
    ax.legend(loc="upper center")
