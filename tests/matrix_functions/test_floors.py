"""How accurate each list of polynomials is in each precision, against measured tables.

The tables were computed with another implementation (float32 emulation of the short formats,
NumPy's default_rng(0)); entries are orthogonality / polar error.
"""

import numpy as np
import pytest

from linalg_ml import Precision, minimax_schedule, orthogonalize
from linalg_ml.metrics import orthogonality_error, polar_error

PRECISIONS = ("bf16", Precision("bf16", "each"), "fp16", "tf32", "fp32", "fp64")
TABLE = """
newton-schulz 15 A | 3.6e-3/5.1e-3 4.1e-3/1.5e-2 3.7e-4/6.5e-4 5.2e-4/5.6e-4 1.8e-7/4.0e-7 2e-16/2e-15
jordan 5 A | .383/.219 .375/.214 .383/.219 .383/.219 .383/.219 .383/.219
you 6 A | 6.9e-3/5.7e-3 8.5e-3/1.6e-2 5.4e-3/2.8e-3 5.4e-3/2.9e-3 5.4e-3/2.7e-3 5.36e-3/2.68e-3
cesista 5 A | 3.6e-2/1.9e-2 3.7e-2/2.5e-2 3.6e-2/1.8e-2 3.6e-2/1.8e-2 3.6e-2/1.8e-2 3.56e-2/1.78e-2
polar-express 5 A | .174/.0880 .173/.0943 .174/.0877 .174/.0878 .174/.0877 .174/.0877
polar-express 8 A | 4.0e-3/6.9e-3 7.8e-3/3.7e-2 4.2e-4/8.4e-4 5.2e-4/3.1e-3 2.5e-7/2.8e-6 6e-16/6e-15
newton-schulz-3 25 B | 1.9e-3/9.6e-2 4.9e-3/.140 2.5e-4/1.3e-2 4.7e-4/3.7e-4 2.1e-7/2.6e-6 6e-16/1e-14
jordan 5 B | .505/.357 .505/.360 .507/.356 .507/.355 .507/.356 .507/.356
you 6 B | .269/.188 .266/.193 .270/.180 .270/.180 .270/.180 .270/.180
cesista 5 B | .423/.321 .422/.323 .424/.319 .425/.319 .425/.319 .425/.319
polar-express 5 B | .332/.224 .333/.232 .333/.217 .333/.217 .333/.217 .333/.217
polar-express 8 B | 6.1e-3/6.7e-2 1.1e-2/9.5e-2 2.9e-3/9.1e-3 2.7e-3/1.9e-3 2.6e-3/1.3e-3 2.63e-3/1.32e-3
polar-express 10 B | 3.6e-3/6.7e-2 7.0e-3/9.5e-2 4.2e-4/8.9e-3 7.2e-4/1.4e-3 2.7e-7/3.6e-6 7e-16/1e-14
"""  # noqa: E501


def matrices():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((128, 512))
    left, right = (np.linalg.qr(rng.standard_normal((128, 128)))[0] for _ in range(2))
    return {"A": wide, "B": left @ np.diag(np.logspace(0, -3, 128)) @ right}


def cells():
    for line in TABLE.strip().splitlines():
        name, steps, matrix = line.split("|")[0].split()
        for precision, cell in zip(PRECISIONS, line.split("|")[1].split(), strict=True):
            yield name, int(steps), matrix, precision, *map(float, cell.split("/"))


@pytest.fixture(scope="module")
def problems():
    problems = {}
    for name, a in matrices().items():
        p, _, qh = np.linalg.svd(a, full_matrices=False)
        problems[name] = a, p @ qh
    return problems


@pytest.mark.parametrize(
    ("name", "steps", "matrix", "precision", "orthogonality", "polar"), [*cells()]
)
def test_error_is_the_measured_one(problems, name, steps, matrix, precision, orthogonality, polar):
    a, u = problems[matrix]
    x = orthogonalize(a, steps=steps, schedule=name, precision=precision, form="direct")
    for error, expected in (
        (orthogonality_error(x), orthogonality),
        (polar_error(x, u), polar),
    ):
        if expected < 1e-14:
            assert expected / 3 <= error <= expected * 3
        else:
            assert error == pytest.approx(expected, rel=0.3)


GAUSSIANS = [(64, 256), (96, 960), (128, 512)]


def bf16_errors(shape, schedule, rounding="fused"):
    return [
        orthogonality_error(
            orthogonalize(
                np.random.default_rng(seed).standard_normal(shape),
                steps=8,
                schedule=schedule,
                precision=Precision("bf16", rounding),
            )
        )
        for seed in range(10)
    ]


@pytest.mark.filterwarnings("ignore:a minimax schedule with safety=0:UserWarning")
@pytest.mark.parametrize("shape", GAUSSIANS)
@pytest.mark.parametrize(("cushion", "draws"), [(0, 5), (None, 3)])
def test_bf16_blows_up_without_safety(shape, cushion, draws):
    """In most of ten draws without the cushion, in some with it."""
    errors = bf16_errors(shape, minimax_schedule(1e-3, 8, safety=0, cushion=cushion))
    assert np.sum(~(np.array(errors) < 1)) >= draws


@pytest.mark.parametrize("shape", [*GAUSSIANS, (128, 128)])
@pytest.mark.parametrize(("rounding", "floor"), [("fused", 4.1e-3), ("each", 7.7e-3)])
def test_safety_alone_is_enough_in_bf16(shape, rounding, floor):
    errors = bf16_errors(shape, minimax_schedule(1e-3, 8, safety=0.01, cushion=0), rounding)
    assert np.median(errors) < 2 * floor


def test_fp16_needs_no_safety_here():
    schedule = minimax_schedule(1e-3, 8, safety=0, cushion=0)
    a = matrices()["A"]
    assert (
        orthogonality_error(orthogonalize(a, steps=8, schedule=schedule, precision="fp16")) < 1e-3
    )
