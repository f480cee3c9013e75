"""Steps that change parameters and states where they are, for adapters that own them."""

from linalg_ml._core.namespace import dtype_name, library
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim.elementwise import Bundle, Target
from linalg_ml.optim.hyperparameters import advanced


def fits(rule, param, grad):
    """Say whether `step_in_place` can make this step."""
    wide = dtype_name(param) in ("float32", "float64")
    return rule.elementwise and wide and grad.dtype == param.dtype


def step_in_place(leafwise, params, grads, states):
    """Make the step of an elementwise rule on parameters in the memory of the host.

    Parameters that are of one type and have made as many steps go through the formulas
    together. ``params`` and the arrays and dicts in ``states`` are changed. A parameter whose
    gradient holds NaN or infinity stays as it is, and that is counted.
    """
    together = {}
    for i, (param, state) in enumerate(zip(params, states, strict=True)):
        together.setdefault((param.dtype, int(state["step"])), []).append(i)
    for (_, step), members in together.items():
        fused = kernels(library(params[members[0]]))
        finite = fused.foreach_finite([grads[i] for i in members])
        kept = [i for i, ok in zip(members, finite, strict=True) if ok]
        for i, ok in zip(members, finite, strict=True):
            if not ok:
                states[i]["skipped"] = advanced(states[i]["skipped"])
        if kept:
            mine = [[held[i] for i in kept] for held in (params, grads, states)]
            _step_together(leafwise, fused, *mine, step + 1)


def _step_together(leafwise, fused, params, grads, states, step):
    names = [name for name in states[0] if name not in ("step", "skipped")]
    held = {name: Bundle([state[name] for state in states], owned=True) for name in names}
    direction, after = leafwise.rule.update(Bundle(grads), held, Bundle(params), step)
    target = Target(params)
    leafwise.rule.finish(direction, target, step, leafwise.lr, leafwise.weight_decay)
    for name, arrays in after.items():
        for state, a in zip(states, arrays.arrays, strict=True):
            state[name] = a
    fused.foreach_add([state["step"] for state in states], 1)
