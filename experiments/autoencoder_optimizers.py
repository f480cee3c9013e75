"""Optimizers of the autoencoder and the hyper-parameters that each is tuned over."""

from functools import partial

from linalg_ml import optim

MOMENTUM = (0.6, 0.8, 0.9, 0.95, 0.98)
SECOND = (0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
DECAY = (0.0, 0.01, 0.1)


def rates(middle, places=6):
    """Return powers of two around a learning rate."""
    return tuple(middle * 2.0**k for k in range(-places, places + 1))


def _with_adam(matrix):
    """Return a constructor that gives weights to one optimizer and biases to AdamW."""

    def make(lr, rate_of_biases, **options):
        transforms = {
            "weights": matrix(lr, **options),
            "biases": optim.adamw(rate_of_biases, betas=(0.9, 0.99)),
        }
        return optim.partition(transforms, lambda path, array: path.split(".")[0])

    return make


def _soap(lr, beta1, beta2):
    return optim.soap(lr, betas=(beta1, beta2), weight_decay=0.0, max_order=400)


# Name to (constructor of the optimizer from its learning rates and options, grids, start); the
# baseline comes first. "lr" and "rate_of_biases" are the largest values of schedules.
OPTIMIZERS = {
    "adamw": (
        lambda lr, beta1, beta2, weight_decay: optim.adamw(
            lr, betas=(beta1, beta2), weight_decay=weight_decay
        ),
        {"lr": rates(0.008), "beta1": MOMENTUM, "beta2": SECOND, "weight_decay": DECAY},
        {"lr": 0.008, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    ),
    "sgd": (
        lambda lr, momentum, weight_decay: optim.sgd(
            lr, momentum=momentum, nesterov=True, weight_decay=weight_decay
        ),
        {"lr": rates(0.002), "momentum": MOMENTUM, "weight_decay": DECAY},
        {"lr": 0.002, "momentum": 0.9, "weight_decay": 0.0},
    ),
    "lion": (
        lambda lr, beta1, beta2, weight_decay: optim.lion(
            lr, betas=(beta1, beta2), weight_decay=weight_decay
        ),
        {"lr": rates(0.002), "beta1": MOMENTUM, "beta2": SECOND, "weight_decay": DECAY},
        {"lr": 0.002, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    ),
    "muon": (
        _with_adam(optim.muon),
        {"lr": rates(0.08), "rate_of_biases": rates(0.008), "momentum": MOMENTUM,
         "weight_decay": DECAY},
        {"lr": 0.08, "rate_of_biases": 0.008, "momentum": 0.95, "weight_decay": 0.0},
    ),
    "polargrad": (
        _with_adam(partial(optim.polargrad, method="polar-express")),
        {"lr": rates(0.008), "rate_of_biases": rates(0.008), "momentum": MOMENTUM,
         "weight_decay": DECAY},
        {"lr": 0.008, "rate_of_biases": 0.008, "momentum": 0.95, "weight_decay": 0.0},
    ),
    "soap": (
        _with_adam(_soap),
        {"lr": rates(0.016), "rate_of_biases": rates(0.008), "beta1": MOMENTUM, "beta2": SECOND},
        {"lr": 0.016, "rate_of_biases": 0.008, "beta1": 0.95, "beta2": 0.95},
    ),
    "shampoo": (
        _with_adam(partial(optim.shampoo, decay=0.95, graft="adam", frequency=5, max_order=400)),
        {"lr": rates(0.02), "rate_of_biases": rates(0.008), "momentum": MOMENTUM,
         "weight_decay": DECAY},
        {"lr": 0.02, "rate_of_biases": 0.008, "momentum": 0.9, "weight_decay": 0.0},
    ),
}  # fmt: skip
