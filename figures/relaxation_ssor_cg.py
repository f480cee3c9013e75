"""Steps of CG with SSOR against omega, and the surrogate."""

from figures.relaxation_style import BLACK, BLUE, GREY
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Steps of conjugate gradients with the SSOR preconditioner to 1e-8 of the right-hand side "
    "(solid), on the Laplacian of a square and of an L, with and without 0.5 I; and the surrogate "
    "1 + tau (U - 1) from Axelsson's bound on the condition number, with the least tau that makes "
    "it a bound (dashed). Vertical: the minimiser of the bound. SSOR as a preconditioner forgives "
    "much more than SOR does."
)


def draw(records):
    """Draw a panel for each size and offset, both domains in each row."""
    panels = groups(records, "size", "offset", "domain")
    keys = sorted(panels, key=lambda k: (k[2], k[1], k[0]))
    figure, axes = new_figure(PAGE, 4.2, rows=2, columns=4)
    for ax, key in zip(axes.flat, keys, strict=True):
        size, offset, domain = key
        rows = panels[key]
        x = [r["omega"] for r in rows]
        tau = rows[0]["tau"]
        ax.plot(x, [r["surrogate"] for r in rows], "--", color=BLUE, label="surrogate")
        ax.plot(x, [r["actual"] for r in rows], color=BLACK, linewidth=1.8, label="steps of CG")
        ax.axvline(rows[0]["best_of_bound"], color=GREY, linestyle=":", label="best of the bound")
        shape = "L" if domain == "L" else "square"
        ax.set_title(f"{shape}, {size} x {size}" + (f", + {offset:g} I" if offset else ""),
                     fontsize=8)  # fmt: skip
        ax.text(0.05, 0.08, rf"$\tau = {tau:.2f}$", transform=ax.transAxes, fontsize=7)
        ax.set_ylim(0, 1.15 * max(max(r["surrogate"], r["actual"]) for r in rows))
    for ax in axes[1]:
        ax.set_xlabel(r"$\omega$")
    for ax in axes[:, 0]:
        ax.set_ylabel("steps")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    title = "The minimiser of the bound is a good omega for CG with SSOR"
    figure.suptitle(title, fontsize=10)
    return figure
