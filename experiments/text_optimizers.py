"""Optimizers on the text model: validation loss by method, learning rate and seed."""

from experiments.study import Study
from experiments.training_cells import TEXT, cells, compute, cost

SCHEDULES = ("jordan", "you", "estimated")
MUON = (0.01, 0.02, 0.04)

STUDY = Study(
    name="text_optimizers",
    title="Optimizers on a character-level transformer",
    summary=(
        "A transformer learns seven plays of Shakespeare character by character and is judged by "
        "an eighth. Matrices of the blocks go to Muon, with several schedules for the polar "
        "factor, to torch.optim.Muon, SOAP or PolarGrad, the rest to AdamW; AdamW alone has all "
        "weights. The rate grows over a tenth of the steps and falls linearly to zero. A seed "
        "decides initial weights and batches, which are the same for all methods."
    ),
    compute=compute,
    cells=cells,
    cost=cost,
    data=(TEXT,),
    quick={
        "runs": (
            ({"method": "adamw"}, (8e-3, 16e-3), 3),
            ({"method": "muon-polar-express"}, (0.02, 0.04), 3),
            ({"method": "torch-muon"}, (0.04,), 3),
            *(({"method": f"muon-{name}"}, (0.02, 0.04), 1) for name in SCHEDULES),
        ),
        "others": 0.01, "width": 32, "layers": 2, "length": 24, "batch": 8, "steps": 80,
        "every": 20,
    },
    full={
        "runs": (
            ({"method": "muon-polar-express"}, MUON, 3),
            ({"method": "torch-muon"}, MUON, 3),
            ({"method": "adamw"}, (1e-3, 2e-3, 4e-3, 8e-3, 16e-3), 3),
            *(({"method": f"muon-{name}"}, MUON, 3) for name in SCHEDULES),
            ({"method": "soap"}, (6e-3, 12e-3), 3),
            ({"method": "muon-svd"}, (0.02,), 3),
            ({"method": "polargrad"}, (0.3,), 3),
        ),
        "others": 0.003, "width": 64, "layers": 2, "length": 64, "batch": 8, "steps": 200,
        "every": 40,
    },
    quick_seconds=20,
    full_seconds=600,
)  # fmt: skip
