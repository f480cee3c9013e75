"""One look for each solver of Poisson problems, in all figures about them."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
WINE = "#882255"

# solver: label, colour, marker, line
_LOOKS = {
    "cg": ("CG", "#777777", "v", ":"),
    "deflated": ("CG, 16 Ritz vectors deflated", SKY, "P", "-."),
    "ic0": ("IC(0)-CG", GREEN, "^", "--"),
    "amg": ("AMG-CG (pyamg, Ruge-Stuben)", PINK, "D", "-."),
    "geometric": ("multigrid-CG, damped Jacobi", ORANGE, "s", "--"),
    "red-black": ("multigrid-CG, red-black Gauss-Seidel", WINE, "h", "-."),
    "learned-masks": ("learned multigrid, coarse masks", BLACK, "X", ":"),
    "network": ("network of the paper", VERMILION, "*", "-."),
    "learned": ("learned multigrid, face fractions", BLUE, "o", "-"),
}
SOLVERS = tuple(_LOOKS)


def look(solver, **changes):
    """Return keyword arguments of ``Axes.plot`` for a solver."""
    label, color, marker, line = _LOOKS[solver]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}
