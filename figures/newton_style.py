"""One look for each solver of constrained problems."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
GREY, WINE = "#777777", "#882255"

# name: label, colour, marker, line
_LOOKS = {
    "block": ("sketched, blocks with memory (default)", BLUE, "s", "-"),
    "exact": ("exact inner solves", BLACK, "o", "--"),
    "minres": ("MINRES", GREEN, "^", "-."),
    "gmres": ("GMRES", GREEN, "v", ":"),
    "gaussian": ("sketched, Gaussian blocks", SKY, "D", "-."),
    "rows": ("sketched, blocks of rows", ORANGE, "P", "-."),
    "sparse-sign": ("sketched, sparse-sign blocks", PINK, "X", "-."),
    "published-exact": ("as published, exact inner solves", ORANGE, "v", ":"),
    "published-kaczmarz": ("as published, Kaczmarz", VERMILION, "P", "--"),
    "published-gaussian-vector": ("as published, Gaussian vectors", WINE, "X", "--"),
    "kaczmarz": ("single rows (Kaczmarz)", VERMILION, "P", "--"),
    "gaussian-vector": ("Gaussian vectors", WINE, "X", "--"),
    "adaptive-l1": ("l1 merit, GMRES, adaptive", BLACK, "D", "-."),
    "l1": ("l1 merit, GMRES", SKY, "v", "--"),
    "augmented-lagrangian": ("augmented Lagrangian", PINK, "P", "-."),
    "trust-constr": ("SciPy trust-constr", GREY, "D", ":"),
    "slsqp": ("SciPy SLSQP", WINE, "X", ":"),
}


def look(name, **changes):
    """Return keyword arguments of ``Axes.plot``."""
    label, color, marker, line = _LOOKS[name]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}
