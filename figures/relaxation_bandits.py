"""Learning omega along a sequence of systems: systems left to solve, and the mean so far."""

from figures.relaxation_style import look, plain_numbers, thousands
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "SOR on shifted Laplacians A + c I of a grid of 10 by 10 points, one after the other, to 1e-8. "
    "Left: systems still to be solved against iterations spent so far, as in the paper; who is "
    "further left is faster. Right: mean iterations of the systems so far, with bands of two "
    "standard errors over the trials. The best fixed omega and Young's omega for each system are "
    "known only with hindsight or with the spectrum; adaptive SOR estimates omega anew within each "
    "solve, with settings chosen on other matrices."
)
NAMES = {"low": "shifts from Beta(2, 6)", "high": "shifts from Beta(1/2, 3/2)"}
ORDER = (
    "tsallis",
    "tsallis-bins",
    "best-fixed",
    "thompson",
    "adaptive",
    "chebyshev",
    "young",
)


def draw(records):
    """Draw a row for each distribution."""
    distributions = groups(records, "distribution")
    figure, axes = new_figure(PAGE, 6.0, rows=len(distributions), columns=2)
    for row, (distribution, part) in zip(axes, distributions.items(), strict=True):
        policies = groups(part, "policy")
        for policy in ORDER:
            rows = sorted(policies[policy], key=lambda r: r["step"])
            _remaining(row[0], policy, rows)
            _means(row[1], policy, rows)
        best = policies["best-fixed"][0]["omega"]
        row[0].set(ylabel="systems left", ylim=(0, None), xlim=(0, None))
        least = min(r["mean"] for r in policies["young"])
        top = 2.2 * max(r["mean"] for r in policies["best-fixed"])
        row[1].set(xscale="log", ylabel="mean iterations per system", ylim=(0.85 * least, top))
        thousands(row[0].xaxis)
        plain_numbers(row[1].xaxis, (10, 100, 1000, 5000))
        row[0].set_title(f"{NAMES[distribution]};  best fixed: {best:.2f}")
        row[1].set_title(NAMES[distribution])
    axes[-1, 0].set_xlabel("thousand iterations so far")
    axes[-1, 1].set_xlabel("systems so far")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    trials = records[0]["trials"]
    figure.suptitle(f"Knowing the shift, ChebCB soon beats every fixed omega ({trials} trials)",
                    fontsize=10)  # fmt: skip
    return figure


def _remaining(ax, policy, rows):
    length = rows[-1]["step"]
    spent = [0.0, *(r["step"] * r["mean"] for r in rows)]
    left = [length, *(length - r["step"] for r in rows)]
    ax.plot(spent, left, **look(policy, marker=None))


def _means(ax, policy, rows):
    x = [r["step"] for r in rows]
    style = look(policy, markersize=3.0, markevery=4)
    ax.plot(x, [r["mean"] for r in rows], **style)
    low = [r["mean"] - 2 * r["error"] for r in rows]
    high = [r["mean"] + 2 * r["error"] for r in rows]
    ax.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
