"""Frobenius error against steps on several real matrices, one panel each."""

from figures.polar_style import falling, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Relative Frobenius error of the polar factor on gradients and momenta of two small networks "
    "in training, in double precision. The Frobenius norm counts directions, and most of them "
    "have larger singular values: so the published list, made for singular values down to 0.001 "
    "of the norm, is ahead of the composition made for the smallest one at first, and behind at "
    "the end. Where a matrix has null directions (a layer norm makes one, a small batch makes "
    "more) the error is measured on the others: those with singular values above rounding."
)
FLOOR = 1e-6
ORDER = ("newton-schulz", "jordan", "you", "cesista", "published", "optimal-5")
LABELS = {
    "published": r"Polar Express, published ($\ell = 10^{-3}$)",
    "optimal-5": r"Polar Express, $\ell = \sigma_{\min}$",
}
KNOWN = {"gpt": "GPT", "digits": "digits"}


def draw(records):
    """Draw the first six matrices."""
    matrices = {m: rows for m, rows in groups(records, "matrix").items() if m != "synthetic"}
    shown = list(matrices)[:6]
    figure, axes = new_figure(PAGE, 4.4, rows=2, columns=3)
    for place, matrix in enumerate(shown):
        ax, rows = axes.flat[place], matrices[matrix]
        methods = groups(rows, "method")
        for method in ORDER:
            found = sorted(methods.get(method, []), key=lambda r: r["step"])
            xs, ys = falling(found, "step", "frobenius", FLOOR)
            kwargs = look(method, linewidth=1.6, markersize=3)
            kwargs["label"] = LABELS.get(method, kwargs["label"])
            ax.plot(xs, ys, **kwargs)
        ax.set(yscale="log", ylim=(FLOOR, 2), xlim=(0.5, 16.5), xticks=range(4, 17, 4))
        ax.minorticks_off()
        ax.tick_params(labelleft=place % 3 == 0, labelbottom=place >= len(shown) - 3)
        ax.set_title(f"{_title(matrix)}\n{_power(rows[0]['smallest_ratio'])}", fontsize=7)
    for ax in axes[:, 0]:
        ax.set_ylabel("relative Frobenius error")
    for ax in axes[-1]:
        ax.set_xlabel("steps (3 products each)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    figure.suptitle(
        "Real gradients: Jordan stalls at 0.2, Newton–Schulz waits, Polar Express converges",
        fontsize=10,
    )
    return figure


def _title(matrix):
    """Turn gpt-block0-up-gradient-step0 into words."""
    *layer, kind, step = matrix.split("-")
    layer[0] = KNOWN.get(layer[0], layer[0])
    return f"{' '.join(layer)}: {kind}, step {step.removeprefix('step')}"


def _power(ratio):
    """Write the ratio of the singular values that are measured."""
    mantissa, exponent = f"{ratio:.0e}".split("e")
    return rf"$\sigma_{{\min}}/\sigma_{{\max}} = {mantissa} \cdot 10^{{{int(exponent)}}}$"
