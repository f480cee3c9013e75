"""Optimizers for arrays of every library: pure functions of gradients, states and parameters.

`linalg_ml.optim.torch` holds them as classes of `torch.optim.Optimizer`,
`linalg_ml.optim.torch_lora` those for low-rank adapters with the layer that they belong to, and
`linalg_ml.optim.optax` has them as gradient transformations of optax;
`linalg_ml.optim.torch_distributed` shares their work among processes.
"""

from importlib import import_module

_PLACES = {
    "linalg_ml.optim.adam_family": ("adam", "adamw"),
    "linalg_ml.optim.averaging": ("Average", "ema", "polyak"),
    "linalg_ml.optim.base": (
        "Transform",
        "apply_updates",
        "chain",
        "extend_state",
        "partition",
        "stateless",
    ),
    "linalg_ml.optim.clipping": ("clip_by_global_norm", "clip_by_value", "global_norm"),
    "linalg_ml.optim.decay": ("coupled_decay", "decoupled_decay"),
    "linalg_ml.optim.rules": ("Rule", "from_rule"),
    "linalg_ml.optim.saving": ("load_state", "save_state"),
    "linalg_ml.optim.schedules": (
        "constant",
        "cosine",
        "linear_decay",
        "linear_warmup",
        "warmup_stable_decay",
    ),
    "linalg_ml.optim.equal_betas": ("equal_beta_adam",),
    "linalg_ml.optim.factored": ("adafactor",),
    "linalg_ml.optim.gradient_descent": ("sgd",),
    "linalg_ml.optim.sign_descent": ("lion", "mean_of_signs", "sign_sgd", "signum"),
    "linalg_ml.optim.trees": ("tree_map",),
    "linalg_ml.optim.orthogonalized": ("muon",),
    "linalg_ml.optim.polar_gradient": ("polargrad",),
    "linalg_ml.optim.kronecker": ("shampoo",),
    "linalg_ml.optim.eigenbasis": ("soap",),
    "linalg_ml.optim.one_sided": ("asgo", "dasgo"),
    "linalg_ml.optim.split_gradients": ("frugal",),
    "linalg_ml.optim.split_models": ("frugal_blocks",),
    "linalg_ml.optim.low_rank_updates": ("dion",),
    "linalg_ml.optim.fisher_structured": ("fismo",),
    "linalg_ml.optim.manifold_descent": ("macro", "spel"),
    "linalg_ml.optim.projected_adapters": ("adaprelora",),
    "linalg_ml.optim.preconditioned_adapters": ("lora_pro", "scaled_adam"),
    "linalg_ml.optim.equilibrated_adapters": ("lora_rite",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
_ADAPTERS = ("optax", "torch", "torch_distributed", "torch_lora")
__all__ = sorted(_PLACE_OF)


def __getattr__(name):
    if name in _PLACE_OF:
        return getattr(import_module(_PLACE_OF[name]), name)
    if name in _ADAPTERS:
        return import_module(f"linalg_ml.optim.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
