"""One look for each method of robust PCA in all figures about it."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, _, _, BLACK, _ = PALETTE
_LOOKS = {
    "fw-t": ("FW-T", BLUE, "o", "-"),
    "corrective": ("corrective Frank-Wolfe", VERMILION, "s", "--"),
    "fista": ("FISTA, LAPACK", GREEN, "^", "-."),
    "reduced-fista": ("FISTA in L alone, Gram matrix", PINK, "D", "-"),
    "ista": ("ISTA, LAPACK", BLACK, "v", ":"),
}
ORDER = tuple(_LOOKS)


def look(method):
    """Return keyword arguments of ``Axes.plot`` for a method."""
    label, color, marker, line = _LOOKS[method]
    return {"label": label, "color": color, "marker": marker, "linestyle": line}
