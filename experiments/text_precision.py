"""Muon on the text model with the products of the orthogonalisation in every precision."""

from experiments.study import Study
from experiments.training_cells import TEXT, cells, compute, cost

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")


def runs(rate, seeds):
    """List the runs in each precision."""
    return tuple(
        ({"method": "muon-polar-express", "precision": precision}, (rate,), seeds)
        for precision in PRECISIONS
    )


STUDY = Study(
    name="text_precision",
    title="Training with the orthogonalisation in low precision",
    summary=(
        "The text model, its matrices trained by Muon: five steps of Polar Express in fp32, TF32, "
        "fp16 or bf16 (emulated), everything else in fp32. Initial weights and batches of a seed "
        "are the same in all precisions."
    ),
    compute=compute,
    cells=cells,
    cost=cost,
    data=(TEXT,),
    quick={
        "runs": runs(0.04, 2),
        "others": 0.01, "width": 32, "layers": 2, "length": 24, "batch": 8, "steps": 80,
        "every": 20,
    },
    full={
        "runs": runs(0.02, 3),
        "others": 0.003, "width": 64, "layers": 2, "length": 64, "batch": 8, "steps": 200,
        "every": 40,
    },
    quick_seconds=10,
    full_seconds=90,
)  # fmt: skip
