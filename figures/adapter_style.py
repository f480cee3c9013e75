"""One look for each optimizer of adapters."""

from figures.style import PALETTE

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE


def _look(label, color, marker, line):
    return {"label": label, "color": color, "marker": marker, "linestyle": line}


LOOKS = {
    "adaprelora": _look("AdaPreLoRA", BLUE, "o", "-"),
    "adaprelora-product": _look("AdaPreLoRA,\n$g_B A + B g_A$", SKY, "s", "--"),
    "lora_rite": _look("LoRA-RITE", GREEN, "^", "-."),
    "lora_pro": _look("LoRA-Pro", PINK, "D", "-"),
    "scaled_adam": _look("ScaledAdam", ORANGE, "v", "--"),
    "scaled_gradient": _look("ScaledGD", ORANGE, "v", "--"),
    "adam": _look("Adam", VERMILION, "P", ":"),
    "gradient": _look("gradient", BLACK, "X", ":"),
}
