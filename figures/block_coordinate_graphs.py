"""Gap against exact block updates, for blocks taken from the graph of a sparse quadratic."""

from figures.style import PAGE, groups, new_figure, series

CAPTION = (
    "Gap f(x_k) - f*, divided by the first, against exact block updates from x = 0. Left: label "
    "propagation on a lattice, 2400 unknowns. Right: on the graph of nearest neighbours of two "
    "moons, 1900 unknowns. Colours and trees are fixed partitions (two combs on the lattice); "
    "forests are grown anew before each update; 'general' solves the cube root of n largest "
    "gradients densely. A step of each costs a time in proportion to n."
)
FLOOR = 1e-12
LABELS = {
    "general": "general, largest gradients",
    "colors-in-order": "colours, any order",
    "colors": "colours (red-black)",
    "random-forest": "random forest",
    "trees-in-order": "tree partition, any order",
    "trees": "tree partition",
    "greedy-forest": "greedy forest, GS",
    "greedy-forest-gsl": "greedy forest, GSL",
}
NAMES = {"D": "lattice", "E": "two moons"}


def draw(records):
    """Draw one panel for each graph."""
    data = groups(records, "data")
    figure, axes = new_figure(PAGE, 3.6, columns=len(NAMES))
    styles = series(LABELS)
    shown = {}
    for ax, (name, title) in zip(axes.flat, NAMES.items(), strict=True):
        methods = groups(data.get(name, []), "method")
        for method in LABELS:
            curve = sorted(methods.get(method, []), key=lambda r: r["iteration"])
            if not curve:
                continue
            look = {**styles[method], "label": LABELS[method]}
            (shown[method],) = ax.plot(
                [r["iteration"] for r in curve],
                [max(r["relative_gap"], FLOOR) for r in curve],
                **look,
                markevery=2,
            )
        ax.set(yscale="log", xlabel="block updates", title=title)
    axes.flat[0].set_ylabel(r"relative gap  $f(x_k) - f^*$")
    figure.legend(
        handles=[shown[m] for m in LABELS if m in shown],
        loc="outside lower center",
        ncols=4,
        handlelength=3,
    )
    figure.suptitle("Forest blocks leave red-black blocks behind at the same cost", fontsize=10)
    return figure
