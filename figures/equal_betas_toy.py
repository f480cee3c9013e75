"""The toy: losses on two quadratics, and the noise that Adam sees in each block."""

import math

from figures.style import PAGE, PALETTE, groups, new_figure

CAPTION = (
    "Two quadratics with the eigenvalues 1 to 3, 99 to 101 and 4998 to 5000. In the homogeneous "
    "one every block of the Hessian has one of each size, in the heterogeneous one each block has "
    "its own size. Above: each method at its best rate, median and quartiles over draws of the "
    "batches. Below, left: Signum whose sign is softened to m / (|m| + a), in the heterogeneous "
    "problem; no softening closes the gap to Adam. Right: the noise-to-signal ratio D / M^2 that "
    "Adam's step divides by, by block."
)
LOOKS = {"sgd": ("SGD with momentum", 2, "-."), "signum": ("Signum", 1, "--"),
         "adam": ("Adam, equal decay rates", 0, "-")}  # fmt: skip
SIZES = ("eigenvalues 1 to 3", "99 to 101", "4998 to 5000")


def best(records, **wanted):
    """Return the records at the rate whose loss at the end is least."""
    rows = [r for r in records if all(r[k] == v for k, v in wanted.items())]
    ends = {r["lr"]: r["loss"] for r in rows if r["last"] and not math.isnan(r["loss"])}
    rate = min(ends, key=ends.get)
    return rate, [r for r in rows if r["lr"] == rate]


def draw(records):
    """Draw four panels."""
    from matplotlib import colormaps

    shades = colormaps["plasma"]
    figure, axes = new_figure(PAGE, 5.4, rows=2, columns=2)
    for ax, landscape in zip(axes[0], groups(records, "landscape"), strict=True):
        for method, (label, k, line) in LOOKS.items():
            rate, rows = best(records, landscape=landscape, method=method, mollifier=0.0)
            _curve(ax, rows, f"{label}, rate {rate:g}", PALETTE[k], line)
            steps, low, high = ([r[f] for r in rows] for f in ("step", "loss_low", "loss_high"))
            ax.fill_between(steps, low, high, color=PALETTE[k], alpha=0.2, linewidth=0)
        ax.set_title(landscape)
    axes[0, 0].sharey(axes[0, 1])
    left, right = axes[1]
    hetero = [r for r in records if r["landscape"] == "heterogeneous"]
    softs = sorted(groups([r for r in hetero if r["method"] == "signum"], "mollifier"))
    for k, soft in enumerate(softs):
        _, rows = best(hetero, method="signum", mollifier=soft)
        _curve(left, rows, f"a = {soft:g}", shades(0.85 * k / len(softs)), "--")
    _, rows = best(hetero, method="adam")
    _curve(left, rows, "Adam", PALETTE[0], "-")
    left.set_title("Signum softened, heterogeneous")
    for k, size in enumerate(SIZES):
        seen = [r for r in rows if r.get(f"noise_{k}") is not None]
        right.semilogy([r["step"] for r in seen], [r[f"noise_{k}"] for r in seen], label=size,
                       color=PALETTE[k + 2], linestyle=("-", "--", "-.")[k])  # fmt: skip
    right.set(xlabel="step", ylabel="$D / M^2$")
    right.set_title("noise over signal in Adam, heterogeneous")
    for ax in axes.flat:
        ax.legend(fontsize=6.5)
    return figure


def _curve(ax, rows, label, color, line):
    ax.semilogy([r["step"] for r in rows], [r["loss"] for r in rows], line, color=color,
                label=label)  # fmt: skip
    ax.set(xlabel="step", ylabel="loss")
