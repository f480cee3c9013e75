"""Adapters: distance from the exact projection, and what the choice of factors changes."""

from statistics import median

from figures.adapter_style import LOOKS
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Left, the distance of one step of the product B A from the projection of the preconditioned "
    "gradient onto what the factors can reach, relative to that: random instances, each other step "
    "at its best rate. AdaPreLoRA makes the projection to rounding. Right, runs of 30 steps from "
    "one product with two pairs of factors, B T and T^-1 A: how far apart they end, against the "
    "condition number of T. AdaPreLoRA and LoRA-RITE do not see the difference."
)


def draw(records):
    """Draw both panels."""
    figure, axes = new_figure(PAGE, 3.3, columns=2)
    left, right = axes[0]
    steps = groups([r for r in records if r["kind"] == "projection"], "method")
    for place, (method, rows) in enumerate(steps.items()):
        color = LOOKS[method]["color"]
        spread = [place + 0.5 * (i / max(len(rows) - 1, 1) - 0.5) for i in range(len(rows))]
        left.plot(spread, sorted(r["distance"] for r in rows), ".", color=color, markersize=3)
    left.set(yscale="log", ylabel="distance from the projection", ylim=(1e-17, 10))
    left.set_xticks(range(len(steps)), [LOOKS[m]["label"] for m in steps], fontsize=6.5)
    left.set_title("One step on random instances")
    runs = groups([r for r in records if r["kind"] == "factors"], "method")
    for method, rows in runs.items():
        by_condition = groups(rows, "condition")
        values = [median(r["difference"] for r in own) for own in by_condition.values()]
        right.plot(list(by_condition), values, **LOOKS[method])
    right.set(xscale="log", yscale="log", xlabel="condition number of T")
    right.set_ylabel("difference of the products at the end")
    right.set_title("Two pairs of factors of one product")
    right.legend(fontsize=6.5, loc="center right", bbox_to_anchor=(1.0, 0.6))
    return figure
