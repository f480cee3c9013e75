"""One look for each method in all figures about the polar factor."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
NAVY, GREY, WINE = "#003355", "#777777", "#882255"  # wine: what is not safe

# method: label, colour, marker, line
_LOOKS = {
    "optimal-5": ("Polar Express, optimal", BLUE, "o", "-"),
    "published": ("Polar Express, published list", BLUE, "o", "--"),
    "published-raw": ("published list, no safety", SKY, "o", ":"),
    "modded-nanogpt": ("modded-nanogpt list", SKY, "D", "-."),
    "optimal-3": ("Polar Express, degree 3", SKY, "^", "-"),
    "optimal-7": ("Polar Express, degree 7", SKY, "s", "--"),
    "too-low": ("bound 100 times too low", SKY, "v", ":"),
    "too-high": ("bound 100 times too high", SKY, "^", ":"),
    "mixed": ("mixed degrees", NAVY, "*", "-"),
    "newton-schulz": ("Newton–Schulz", BLACK, "X", "-"),
    "newton-schulz-3": ("Newton–Schulz, degree 3", GREY, "^", "-"),
    "newton-schulz-7": ("Newton–Schulz, degree 7", GREY, "s", "--"),
    "jordan": ("Jordan", VERMILION, "s", "-"),
    "deepseek-v4": ("Jordan, then refined", VERMILION, "v", "--"),
    "you": ("You", GREEN, "D", "-"),
    "cesista": ("Cesista", PINK, "P", "-"),
    "chen-chow": ("Chen–Chow, degree 3", ORANGE, "^", "-"),
    "cubic5": ("cubic5, degree 3", ORANGE, "v", ":"),
}


def look(method, **changes):
    """Return keyword arguments of ``Axes.plot`` for a method."""
    label, color, marker, line = _LOOKS[method]
    return {"label": label, "color": color, "marker": marker, "linestyle": line, **changes}


def color(method):
    """Return the colour of a method."""
    return _LOOKS[method][1]


def name(method):
    """Return how a method is called in figures."""
    return _LOOKS[method][0]


def falling(records, x, y, floor):
    """Return the points of a curve up to the first one below the floor, which is cut off there.

    Parameters
    ----------
    records : sequence of dict
        In the order of ``x``.
    x, y : str
        Fields.
    floor : float
        Smaller values are rounding errors, or below the picture.

    Returns
    -------
    xs, ys : lists of float
    """
    xs, ys = [], []
    for record in records:
        xs.append(record[x])
        ys.append(max(record[y], floor))
        if record[y] <= floor:
            break
    return xs, ys
