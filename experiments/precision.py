"""Accuracy of every solver in every precision, against the condition number."""

import numpy as np

from experiments import precision_table
from experiments.study import Study


def cells(parameters):
    """List the problems of a level; the rows that solve them are found in compute."""
    return precision_table.problems(parameters["level"])


def compute(cell, context):
    """Solve one problem by every row of its family in every precision.

    The matrix is the same float64 one for all precisions, and the exact answer is that of this
    matrix: what is lost when it is rounded on entry counts as error.
    """
    chosen = precision_table.pairs(cell)
    parameters = {key: value for key, value in cell.items() if key != "family"}
    problem = chosen[0][0].family.load(parameters, context)
    with np.errstate(all="ignore"):  # some solvers diverge: that is a result
        for row, precision in context.remaining(chosen):
            yield precision_table.record(row, problem, precision)


def _cost(cell):
    """Return the flops of a product: nearly all of the time."""
    return (
        cell.get("rows", 64)
        * cell.get("columns", 64)
        * min(cell.get("rows", 64), cell.get("columns", 64))
        + 1e5
    )


STUDY = Study(
    name="precision",
    title="What each solver keeps in fp64, fp32, TF32, fp16 and bf16",
    summary=(
        "Every solver of the table is run in every precision on matrices of known answer: "
        "synthetic ones of prescribed condition number and gradients of networks in training. "
        "Two numbers matter. The check (orthogonality, say) needs no answer and is all that a "
        "user sees; the error is the distance to the exact answer in double precision."
    ),
    compute=compute,
    cells=cells,
    cost=_cost,
    quick={"level": "quick"},
    full={"level": "full"},
    quick_seconds=10,
    full_seconds=240,
)
