"""One look for all drawings: sizes, fonts, and colours that colour-blind readers can tell apart.

Figures are built with matplotlib's Figure class, never with pyplot: no window, no global state.
"""

import contextlib

COLUMN = 3.5  # inches, one column of a two-column paper
PAGE = 7.2
# Okabe and Ito's palette, its yellow last: it is faint on white.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#F0E442",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")

RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "figure.dpi": 100.0,
    "savefig.dpi": 180.0,
    # The same records must give the same bytes.
    "svg.hashsalt": "linalg_ml",
}


@contextlib.contextmanager
def style():
    """Draw and save under matplotlib's defaults and this look, whatever the user's settings."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def new_figure(width: float = COLUMN, height: float | None = None, rows: int = 1, columns: int = 1):
    """Return an empty figure and its axes.

    Parameters
    ----------
    width, height : float
        Inches; the default height suits one row of panels.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : Axes or ndarray of Axes, shape (rows, columns)
        One Axes where there is one panel.
    """
    from matplotlib.figure import Figure

    if height is None:
        height = rows * 0.72 * width / columns
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, (axes[0, 0] if rows == columns == 1 else axes)


def series(names) -> dict[str, dict]:
    """Give each name a colour, a marker and a line style, in order of first appearance.

    Lines differ in three ways at once, so that no reader depends on the colour.

    Returns
    -------
    styles : dict
        Name to keyword arguments of ``Axes.plot``.
    """
    styles = {}
    for name in names:
        k = len(styles)
        styles.setdefault(
            name,
            {
                "color": PALETTE[k % len(PALETTE)],
                "marker": MARKERS[k % len(MARKERS)],
                "linestyle": LINES[k % len(LINES)],
                "label": str(name),
            },
        )
    return styles


def groups(records, *fields) -> dict:
    """Group records by the values of some fields, in order of first appearance."""
    found = {}
    for record in records:
        key = tuple(record[f] for f in fields)
        found.setdefault(key[0] if len(fields) == 1 else key, []).append(record)
    return found
