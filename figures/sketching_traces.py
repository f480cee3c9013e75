"""Error of trace estimators against the products with the matrix."""

from figures.relaxation_style import plain_numbers
from figures.sketching_style import look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Root mean square relative error over the seeds (marks and lines) and the standard error that "
    "the estimator itself claims (thin lines, no marks), against products with the matrix. "
    "XNysTrace needs a positive semidefinite matrix, as all of these are; the others do not."
)
TITLES = {
    "linear": "eigenvalues from 3 to 1, linearly",
    "power": r"eigenvalues $i^{-2}$",
    "geometric": r"eigenvalues $0.7^i$",
    "gradient": "Gram matrix of a gradient of a GPT",
}


def draw(records):
    """Draw a panel for each matrix."""
    figure, axes = new_figure(PAGE, 5.2, rows=2, columns=2)
    spectra = groups(records, "spectrum")
    ticks = sorted({r["used"] for r in records})
    ticks = ticks[:: 1 + len(ticks) // 8]
    for axis, (name, title) in zip(axes.flat, TITLES.items(), strict=True):
        for method, rows in groups(spectra[name], "method").items():
            rows = [r for r in rows if r["used"] < r["order"]]  # from there on the trace is exact
            x = [r["used"] for r in rows]
            axis.plot(x, [r["root_mean_square"] for r in rows], **look(method))
            claim = look(method, label=None, marker=None, linewidth=0.7, alpha=0.8)
            axis.plot(x, [r["claimed"] for r in rows], **claim)
        order = spectra[name][0]["order"]
        axis.set(xscale="log", yscale="log", title=f"{title}, n = {order}")
        axis.set(xlabel="products", ylabel="relative error of the trace")
        plain_numbers(axis.xaxis, ticks)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3.5)
    return figure
