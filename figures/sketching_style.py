"""One look for each embedding, least squares solver and trace estimator."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
GREY = "#777777"

# name: label, colour, marker, line
_LOOKS = {
    "gaussian": ("Gaussian", BLACK, "o", "-"),
    "sparse-sign": ("sparse signs, 8 a column", BLUE, "s", "-"),
    "srht": ("SRHT", GREEN, "^", "--"),
    "count": ("CountSketch", VERMILION, "D", "-."),
    "rows": ("rows, uniformly", SKY, "v", ":"),
    "leverage": ("rows, by leverage", PINK, "P", ":"),
    "lapack": ("LAPACK (numpy.linalg.lstsq)", BLACK, "o", "-"),
    "fossils": ("FOSSILS, sparse signs", BLUE, "s", "-"),
    "iterative": ("iterative sketching", GREEN, "^", "--"),
    "lsqr": ("LSQR, sketch preconditioner", PINK, "D", "-."),
    "fossils-gaussian": ("FOSSILS, Gaussian", SKY, "v", ":"),
    "fossils-srht": ("FOSSILS, SRHT", ORANGE, "P", ":"),
    "fossils-count": ("FOSSILS, CountSketch", "#882255", "X", ":"),
    "sketch-and-solve": ("sketched and solved once", VERMILION, "v", "--"),
    "normal-equations": ("normal equations", GREY, "X", ":"),
    "hutchinson": ("Hutchinson", GREY, "v", ":"),
    "hutch++": ("Hutch++", VERMILION, "D", "-."),
    "xtrace": ("XTrace", BLUE, "s", "-"),
    "xnystrace": ("XNysTrace", GREEN, "^", "--"),
}


def look(name, **changes):
    """Return keyword arguments of ``Axes.plot``."""
    label, color, marker, line = _LOOKS[name]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}
