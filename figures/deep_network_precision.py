"""Residual against iterations for networks in short formats."""

from figures.deep_network_style import PRECISIONS, SOLIDS, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The whole network in fp32, fp16 or bf16 (emulated), the solver around it in double "
    "precision: relative residual against iterations on 64 x 64 cells, without solids and with a "
    "solid square. The solver computes residual and step itself, so a coarse network costs "
    "iterations, never accuracy. The numbers are the iterations to 1e-8."
)


def draw(records):
    """Draw a panel for each network and kind of solids."""
    n, rhs = min(r["n"] for r in records), "normal"
    records = [r for r in records if r["n"] == n and r["rhs"] == rhs]
    panels = groups(records, "network", "solids")
    figure, axes = new_figure(PAGE, 2.7, columns=4)
    for ax, ((network, solids), rows) in zip(axes[0], panels.items(), strict=True):
        for precision, line in groups(rows, "precision").items():
            color, style = PRECISIONS[precision]
            met = next(r["iterations_1e-08"] for r in line if r["last"])
            x, y = zip(*((r["nit"], r["residual"]) for r in line), strict=True)
            ax.semilogy(x, y, color=color, linestyle=style, label=f"{precision}: {met}")
        ax.axhline(1e-8, color="#999999", linewidth=0.6)
        title = look(network)["label"].removesuffix(", sees solids (ours)")
        ax.set(
            xlabel="iterations",
            title=f"{title},\n{SOLIDS[solids]}",
            ylim=(3e-11, 3),
            xlim=(0, None),
        )
        ax.legend(title="to 1e-8", title_fontsize=7)
        if ax is not axes[0, 0]:
            ax.tick_params(labelleft=False)
    axes[0, 0].set_ylabel("relative residual")
    figure.suptitle("In bf16 a network costs iterations, not accuracy", fontsize=10)
    return figure
