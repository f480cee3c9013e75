"""Spectral-norm error against steps: a synthetic matrix, and a real gradient."""

from figures.polar_style import falling, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Spectral-norm error of the polar factor after each step, in double precision; all methods "
    "of degree 5, 3 matrix products a step. Left: 128 singular values evenly spaced on a "
    "logarithmic scale from 1 to 1e-6, the largest being 1 as in the paper (512 of them in the "
    "full run). Right: the gradient of a small GPT's embedding at random initialisation, of full "
    "rank, divided by its Frobenius norm (smallest singular value 2.1e-4). Solid blue: the "
    "optimal composition for the smallest singular value. Dotted: for a bound that is 100 times "
    "too low or too high. Dashed: the published list, made for 0.001. You's list ends after six "
    "steps."
)
FLOOR = 1e-10
ORDER = ("newton-schulz", "jordan", "you", "published", "too-low", "too-high", "optimal-5")
PANELS = {
    "synthetic": "singular values from 1 to $10^{-6}$",
    "gpt-embedding-gradient-step0": "a real gradient",
}


def draw(records):
    """Draw both panels."""
    matrices = groups(records, "matrix")
    shown = [m for m in PANELS if m in matrices]
    figure, axes = new_figure(PAGE, 4.1, columns=2)
    for ax, matrix in zip(axes.flat, shown, strict=False):
        methods = groups(matrices[matrix], "method")
        for method in ORDER:
            rows = sorted(methods.get(method, []), key=lambda r: r["step"])
            xs, ys = falling(rows, "step", "spectral", FLOOR)
            main = method in ("newton-schulz", "jordan", "optimal-5")
            kwargs = look(method, linewidth=2.0 if main else 1.3, markersize=3.5)
            if method == "optimal-5":
                kwargs["label"] = r"Polar Express, $\ell = \sigma_{\min}$"
            elif method == "published":
                kwargs["label"] = r"Polar Express, published ($\ell = 10^{-3}$)"
            elif method in ("too-low", "too-high"):
                factor = "100" if method == "too-high" else "0.01"
                kwargs["label"] = rf"Polar Express, $\ell = {factor}\,\sigma_{{\min}}$"
            ax.plot(xs, ys, **kwargs, zorder=3 if main else 2)
        last = max(r["step"] for r in matrices[matrix] if r["spectral"] > FLOOR
                   and r["method"] == "newton-schulz")  # fmt: skip
        ax.set(yscale="log", ylim=(FLOOR, 3), xlim=(0.5, last + 1.5), xlabel="steps")
        ax.set_title(PANELS[matrix])
    axes.flat[0].set_ylabel(r"error  $\|X_t - \mathrm{polar}(M)\|_2$")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    figure.suptitle(
        "Tuned to the smallest singular value, Polar Express needs half the steps", fontsize=10
    )
    return figure
