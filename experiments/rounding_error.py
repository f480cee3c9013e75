"""Rounding float64 numbers to shorter types: the error against the unit roundoff."""

import numpy as np

from experiments.study import Study

# Type, bits of the significand (with the hidden one), exponent of the smallest normal number.
FORMATS = {"float32": (24, -126), "float16": (11, -14)}


def compute(cell, context):
    """Round uniformly drawn numbers of [2^e, 2^(e+1)) and measure the relative error.

    The largest error is at most u / (1 + u), u = 2^-p the unit roundoff, as long as the result
    is a normal number; below that range the absolute error is bounded instead.
    """
    bits, smallest = FORMATS[cell["format"]]
    exponent = cell["exponent"]
    rng = context.rng("rounding_error", exponent)
    x = np.ldexp(1.0 + rng.random(cell["samples"]), exponent)
    with np.errstate(over="ignore"):  # beyond the largest number the result is inf, as it should
        rounded = x.astype(cell["format"]).astype(np.float64)
    error = np.abs(rounded - x) / x
    yield {
        "unit_roundoff": 2.0**-bits,
        "normal": smallest <= exponent,
        "overflow": bool(np.isinf(rounded).any()),
        "worst_error": error.max(),
        "mean_error": error.mean(),
    }


STUDY = Study(
    name="rounding_error",
    title="Relative error of rounding to float32 and float16",
    summary=(
        "Numbers drawn uniformly between two powers of two are rounded to a shorter type. The "
        "relative error stays below the unit roundoff while results are normal numbers, and grows "
        "by a factor of two for each power of two below."
    ),
    compute=compute,
    quick={
        "format": list(FORMATS),
        "exponent": list(range(-28, 17, 2)),
        "samples": 20_000,
    },
    full={
        "format": list(FORMATS),
        "exponent": list(range(-150, 129)),
        "samples": 2_000_000,
    },
    quick_seconds=1,
    full_seconds=70,
)
