"""Decay rates of Adam on the text model: a table of losses, and the other methods beside."""

from figures.style import PAGE, groups, new_figure
from figures.text_style import BLUE, PINK, SKY, VERMILION

CAPTION = (
    "Loss on a play not seen, at the end of training, at the best of the learning rates tried. "
    "Left: Adam by its two decay rates, equal ones framed. Right: Adam, the same without momentum "
    "(RMSprop), Signum and SGD with clipped gradients; each point is one setting of decay rates "
    "at its best rate, the bar the best of all."
)
METHODS = (("Adam", BLUE), ("RMSprop", SKY), ("Signum", VERMILION), ("SGD, clipped", PINK))


def name(record):
    """Return what a setting is called."""
    if record["method"] == "adamw":
        return "Adam" if record["beta1"] else "RMSprop"
    return {"signum": "Signum", "sgd": "SGD, clipped"}[record["method"]]


def draw(records):
    """Draw the table and the comparison."""
    figure, axes = new_figure(PAGE, 3.0, columns=2)
    left, right = axes[0]
    best = {}
    for record in (r for r in records if r["last"]):
        key = (name(record), record["beta1"], record.get("beta2"))
        best[key] = min(record["validation_loss"], best.get(key, float("inf")))
    _table(left, {key[1:]: loss for key, loss in best.items() if key[0] == "Adam"})
    by_name = groups([{"name": key[0], "loss": loss} for key, loss in best.items()], "name")
    for place, (label, color) in enumerate(METHODS):
        losses = [r["loss"] for r in by_name[label]]
        right.plot([place] * len(losses), losses, "o", color=color, alpha=0.6)
        right.plot([place - 0.3, place + 0.3], [min(losses)] * 2, color=color, linewidth=2.5)
        right.annotate(f"{min(losses):.3f}", (place, min(losses)), xytext=(0, -10),
                       textcoords="offset points", ha="center", fontsize=7)  # fmt: skip
    right.set_xticks(range(len(METHODS)), [label for label, _ in METHODS])
    right.set(ylabel="nats per character", xlim=(-0.6, len(METHODS) - 0.4))
    right.margins(y=0.12)
    right.set_title("validation loss, all settings")
    return figure


def _table(ax, losses):
    ones, twos = (sorted({key[k] for key in losses}) for k in (0, 1))
    values = [[losses[one, two] for two in twos] for one in ones]
    image = ax.imshow(values, cmap="cividis_r", aspect="auto")
    for i, one in enumerate(ones):
        for j, two in enumerate(twos):
            color = "white" if image.norm(values[i][j]) > 0.5 else "black"
            frame = {"edgecolor": color, "facecolor": "none"} if one == two else None
            ax.text(j, i, f"{values[i][j]:.3f}", ha="center", va="center", fontsize=7,
                    color=color, bbox=frame)  # fmt: skip
    ax.set_xticks(range(len(twos)), twos)
    ax.set_yticks(range(len(ones)), ones)
    ax.set(xlabel=r"$\beta_2$", ylabel=r"$\beta_1$")
    ax.grid(False)
    ax.set_title("validation loss of Adam")
