"""One look for each way of choosing the relaxation parameter, in all figures about it."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
GREY = "#777777"

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
    "omega-1": ("omega = 1", ORANGE, "<", "-."),
    "omega-1.5": ("omega = 1.5", ORANGE, ">", ":"),
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
