"""The loss of the networks that ship with the package, over their training."""

from experiments.study import Study
from linalg_ml import deep_directions


def compute(cell, context):
    """Yield the history that training wrote into the file of the weights."""
    network = deep_directions.load(cell["network"])
    made = network.provenance
    about = {
        "loss_kind": made["loss"],
        "grid": made["grid"],
        "parameters": network.architecture.parameters,
        "training_seconds": made["training_seconds"],
        "seed": made["seed"],
        "commit": made["commit"],
    }
    every = made["loss_every"]
    for k, loss in enumerate(made["losses"]):
        yield {
            **about,
            "kind": "batches",
            "step": min((k + 1) * every, made["steps"]),
            "loss": loss,
        }
    for step, loss in made["validations"]:
        last = step == made["steps"]
        yield {**about, "kind": "validation", "step": step, "loss": loss, "last": last}


STUDY = Study(
    name="deep_network_loss",
    title="Training the networks of deep conjugate directions",
    summary=(
        "The loss of each network that ships with the package over the steps of Adam, on batches "
        "and on samples kept for validation, as training recorded it. The command "
        "`python -m linalg_ml.deep_directions train NAME` repeats it."
    ),
    compute=compute,
    quick={"network": ["paper-64-2d", "linear-2d", "paper-64-3d", "linear-3d"]},
    full={"network": ["paper-64-2d", "linear-2d", "paper-64-3d", "linear-3d"]},
    quick_seconds=1,
    full_seconds=1,
)
