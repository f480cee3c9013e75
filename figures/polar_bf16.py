"""The largest singular value step by step in bfloat16, with and without the safeguards."""

from figures.polar_style import BLUE, WINE
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Largest singular value of the iterates of ten Gaussian matrices of 128 by 512 in emulated "
    "bfloat16, under eight polynomials made for [0.001, 1]. Red: draws whose orthogonality error "
    "exceeds 1 in the end. Rounding lifts singular values a little above the interval; optimal "
    "polynomials rise steeply there and multiply the excess at every step. The safety factor "
    "(every polynomial but the last at x/1.01) prevents that, with the cushion or without. How "
    "often it happens depends on the matrix: of twenty draws of 256 by 1024 none blows up."
)
CEILING = 1e12
TITLES = {
    "neither": "no safeguard",
    "cushion only": "cushion only",
    "safety only": "safety factor only",
    "both": "both: the published list",
}


def draw(records):
    """Draw a panel for each variant, a line for each draw."""
    precision = "bf16" if any(r["precision"] == "bf16" for r in records) else None
    small = min(r["m"] for r in records)
    chosen = [r for r in records if r["m"] == small and r["precision"] == (precision or "fp16")]
    variants = groups(chosen, "variant")
    figure, axes = new_figure(PAGE, 2.9, columns=len(variants))
    for ax, (variant, rows) in zip(axes.flat, variants.items(), strict=True):
        draws = groups(rows, "draw")
        blown = 0
        for found in draws.values():
            found = sorted(found, key=lambda r: r["step"])
            bad = found[-1]["blown_up"]
            blown += bad
            ax.plot(
                [r["step"] for r in found],
                [min(r["largest"], CEILING) for r in found],
                color=WINE if bad else BLUE,
                linewidth=1.5 if bad else 1.0,
                alpha=1.0 if bad else 0.7,
                zorder=3 if bad else 2,
            )
        steps = max(r["step"] for r in rows)
        ax.set(yscale="log", ylim=(0.5, CEILING), xlim=(1, steps), xticks=range(1, steps + 1))
        ax.set_title(TITLES.get(variant, variant))
        ax.text(
            0.06, 0.93, f"{blown} of {len(draws)}\nblow up", transform=ax.transAxes, va="top",
            fontsize=11, weight="bold", color=WINE if blown else BLUE,
        )  # fmt: skip
        ax.set_xlabel("step")
        if ax is not axes.flat[0]:
            ax.tick_params(labelleft=False)
    axes.flat[0].set_ylabel("largest singular value")
    figure.suptitle(
        "In bfloat16 the safety factor is what keeps the polynomials from blowing up", fontsize=10
    )
    return figure
