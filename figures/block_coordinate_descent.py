"""Gap to the optimum against block updates: a panel for each problem and block size."""

import math

from figures.style import LINES, MARKERS, PAGE, PALETTE, groups, new_figure

CAPTION = (
    "Gap f(x_k) - f*, divided by the first, against block updates from x = 0. A least squares, B "
    "logistic and C softmax regression with sparse features, D label propagation on a lattice, E "
    "on two moons. Colours are rules, line styles partitions or updates: variable blocks are the "
    "coordinates that the rule ranks highest; sort, order and average are fixed blocks of "
    "coordinates sorted by their constants, as they come, and balanced."
)
FLOOR = 1e-12
RULES = {
    "random": "random",
    "cyclic": "cyclic",
    "shuffled": "cyclic, shuffled",
    "lipschitz": "Lipschitz sampling",
    "gs": "GS",
    "gsl": r"GSL",
    "gsd": "GSD",
    "gsd-gershgorin": "GSL, Gershgorin bound",
    "gsq": "GSQ",
}
COLORS = dict(zip(RULES, ("#999999", PALETTE[5], PALETTE[2], PALETTE[3], PALETTE[4], PALETTE[1],
                          PALETTE[6], "#8c510a", PALETTE[0]), strict=True))  # fmt: skip
NAMES = {
    "A": "A: least squares",
    "B": "B: logistic",
    "C": "C: softmax",
    "D": "D: lattice",
    "E": "E: two moons",
}


def draw(records):
    """Draw problems in rows and block sizes in columns; in one row where there is one size."""
    data, sizes = (sorted({r[key] for r in records}) for key in ("data", "size"))
    single = len(sizes) == 1
    rows, columns = (1, len(data)) if single else (len(data), len(sizes))
    figure, axes = new_figure(PAGE, 0.9 + 1.75 * rows, rows, columns)
    panels = groups(records, "data", "size")
    kinds = sorted(groups(records, "partition", "update"), key=_place)
    rules = [rule for rule in RULES if rule in groups(records, "rule")]
    for i, name in enumerate(data):
        for j, size in enumerate(sizes):
            ax = axes.flat[i] if single else axes[i, j]
            rows_here = panels.get((name, size), [])
            _panel(ax, rows_here, rules, kinds)
            if i == 0 or single:
                ax.set_title(NAMES[name] if single else f"blocks of {size}")
            if single or i == len(data) - 1:
                ax.set_xlabel("block updates")
            if j == 0 and not single:
                ax.set_ylabel(NAMES[name])
    if single:
        axes.flat[0].set_ylabel(f"relative gap, blocks of {sizes[0]}")
    else:
        figure.suptitle(r"relative gap  $f(x_k) - f^*$  after each block update", fontsize=10)
    _legend(figure, rules, kinds)
    return figure


def _place(kind):
    """Return the place of a partition and an update among the line styles."""
    partition, update = kind
    updates = ("gradient", "adaptive", "matrix", "newton")
    return updates.index(update), ("variable", "sort", "order", "average").index(partition)


def _panel(ax, records, rules, kinds):
    """Draw the curves of one panel."""
    lowest = 1.0
    for (rule, *kind), curve in groups(records, "rule", "partition", "update").items():
        curve = sorted(curve, key=lambda r: r["iteration"])
        xs = [r["iteration"] for r in curve]
        ys = [max(r["relative_gap"], FLOOR) for r in curve]
        lowest = min(lowest, *ys)
        ax.plot(xs, ys, color=COLORS[rule], linestyle=LINES[kinds.index(tuple(kind))],
                marker=MARKERS[rules.index(rule)], markersize=2.5, markevery=4,
                linewidth=1.1)  # fmt: skip
    ax.set(yscale="log", ylim=(10 ** math.floor(math.log10(lowest) - 0.02), 1.5))
    ax.yaxis.set_minor_formatter("")


def _legend(figure, rules, kinds):
    """Explain colours, then line styles."""
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=COLORS[r], marker=MARKERS[k], markersize=3.5, label=RULES[r])
        for k, r in enumerate(rules)
    ]
    updates = {update for _, update in kinds}
    partitions = {partition for partition, _ in kinds}
    if len(kinds) > 1:
        for k, (partition, update) in enumerate(kinds):
            words = [partition] * (len(partitions) > 1) + [update] * (len(updates) > 1)
            entries.append(
                Line2D([], [], color="#444444", linestyle=LINES[k], label=", ".join(words))
            )
    figure.legend(
        handles=entries, loc="outside lower center", ncols=min(len(entries), 5), handlelength=3
    )
