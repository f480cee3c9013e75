"""One look for each solver in the figures about learned search directions."""

from figures.style import PALETTE

BLUE, VERMILION, _, _, _, _, BLACK, _ = PALETTE
GREY, WINE = "#777777", "#882255"

# method: label, colour, marker, line
_LOOKS = {
    "cg": ("CG", GREY, "v", ":"),
    "multigrid": ("learned multigrid", BLUE, "o", "-"),
    "linear": ("linear network, sees solids (ours)", WINE, "^", "-."),
    "paper-64": ("network of the paper", VERMILION, "s", "--"),
}
PRECISIONS = {"fp32": (BLACK, "-"), "fp16": (BLUE, "--"), "bf16": (VERMILION, "-.")}
SOLIDS = {"none": "no solids", "neumann": "Neumann solids", "dirichlet": "Dirichlet solids"}


def look(method, **changes):
    """Return keyword arguments of ``Axes.plot`` for a method."""
    label, color, marker, line = _LOOKS[plain(method)]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}


def plain(method):
    """Return the name of a method without the dimensions."""
    return method.removesuffix("-2d").removesuffix("-3d")


def plain_numbers(axis, ticks):
    """Label a logarithmic axis with these numbers as they are."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
