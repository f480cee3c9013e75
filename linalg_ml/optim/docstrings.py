"""Docstrings of adapters, made from those of the functions that they adapt."""

import inspect
import re

# In every wording and with any break of lines; schedulers of PyTorch change the number.
_SCHEDULE = re.compile(
    "(Learning rate[^,.;]*), or (?:a )?schedule"
    "(?:: a function of the number of updates made before)?".replace(" ", r"\s+")
)


def adapted(function, first_parameter, example):
    """Return the docstring of a class whose constructor takes one more parameter.

    Parameters
    ----------
    function : callable
        Makes a `Transform`; its docstring, if it has one, has the sections of numpydoc.
    first_parameter : str
        The entry to be put before the other parameters.
    example : str
        Takes the place of the examples.

    Returns
    -------
    str
    """
    head, *rest = re.split(r"\n(?=[^\n]+\n-{3,}\n)", inspect.getdoc(function) or "")
    parts = [head.rstrip()]
    for section in rest:
        title, _, body = section.split("\n", 2)
        body = body.rstrip()
        if title == "Parameters":
            body = body.replace("float, array without axes, or callable", "float")
            body = _SCHEDULE.sub(r"\1", body)
            body = f"{first_parameter}\n{body}"
        elif title == "Examples":
            body = example
        elif title == "Returns":
            title, body = "Attributes", _state(body)
        parts.append(f"{title}\n{'-' * len(title)}\n{body}")
    return "\n\n".join(parts) + "\n"


def _state(returns):
    """Return what is said of the state of a parameter, as an attribute."""
    said = "\n".join(returns.splitlines()[1:])
    return (
        'state : dict\n    For each parameter ``"step"``, the steps it made, and ``"skipped"``, '
        f"those it did not make\n    because of NaN or infinity.\n{said}"
    )
