"""One look for each way of choosing the relaxation parameter, in all figures about it."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
GREY, WINE = "#777777", "#882255"

# policy: label, colour, marker, line
_LOOKS = {
    "chebyshev": ("ChebCB (context)", BLUE, "o", "-"),
    "thompson": ("UnimodalThompson (ours)", VERMILION, "s", "-"),
    "thompson-bins": ("UnimodalThompson in bins (ours)", VERMILION, "s", "-"),
    "tsallis": ("Tsallis-INF", GREEN, "^", "-"),
    "tsallis-reduced": ("Tsallis-INF, reduced variance", SKY, "v", "-."),
    "tsallis-bins": ("Tsallis-INF in bins (context)", PINK, "D", "-."),
    "best-fixed": ("best fixed omega, in hindsight", BLACK, "X", "--"),
    "young": ("omega*(A) for each system (Young)", GREY, "P", ":"),
    "young-unshifted": ("Young's omega without the shift", GREY, "*", "--"),
    "adaptive": ("adaptive SOR, no learning", ORANGE, "P", "-."),
    "grid-minimum": ("best of the grid for each system", GREY, "P", ":"),
    "none": ("CG", GREY, "v", ":"),
    "omega-1": ("omega = 1", WINE, "<", "-."),
    "omega-1.5": ("omega = 1.5", WINE, ">", ":"),
}


def look(policy, **changes):
    """Return keyword arguments of ``Axes.plot`` for a policy."""
    label, color, marker, line = _LOOKS[policy]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}


def color(policy):
    """Return the colour of a policy."""
    return _LOOKS[policy][1]


def name(policy):
    """Return how a policy is called in figures."""
    return _LOOKS[policy][0]


def plain_numbers(axis, ticks, unit=1):
    """Label a logarithmic axis with these numbers as they are, or in thousands, ..."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value / unit:g}"))
    axis.set_minor_locator(NullLocator())


def thousands(axis):
    """Label an axis in thousands."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value / 1000:g}"))
