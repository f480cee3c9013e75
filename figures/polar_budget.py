"""Bars of the errors after a fixed number of products, in an empty corner of a figure."""

from figures.polar_style import color, name


def budget_bars(ax, errors, bounds, title, *, labels=None, hollow=("published",)):
    """Draw a bar for each method.

    Parameters
    ----------
    ax : Axes
    errors : dict
        Method to error, in the order from top to bottom.
    bounds : list of float
        Left, bottom, width and height of the bars in parts of the axes; names stand left of them.
    title : str
    labels : dict, optional
        Method to name, where the usual one is not wanted.
    hollow : tuple of str
        Methods whose bars are drawn as outlines, being dashed elsewhere.
    """
    inset = ax.inset_axes(bounds)
    inset.patch.set_visible(False)
    for place, (method, error) in enumerate(errors.items()):
        ink = color(method)
        fill = "white" if method in hollow else ink
        inset.barh(-place, error, 0.6, color=fill, edgecolor=ink)
        text = (labels or {}).get(method) or name(method).replace(", ", ",\n")
        inset.text(-0.05, -place, text, ha="right", va="center", fontsize=6.5, color=ink)
        inset.text(error + 0.04, -place, f"{error:.3f}", va="center", fontsize=7)
    inset.set(xlim=(0, 1.05), xticks=[], yticks=[], ylim=(0.5 - len(errors), 0.5))
    inset.grid(False)
    for side in ("left", "bottom"):
        inset.spines[side].set_visible(False)
    left, bottom, width, height = bounds
    ax.text(left + 0.2 * width, bottom + height + 0.015, title, transform=ax.transAxes,
            ha="center", weight="bold", zorder=5)  # fmt: skip
