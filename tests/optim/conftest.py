"""Quick compilations for the tests of the optimizers."""

import contextlib
import sys

import pytest

from tests.conftest import quick_compilations


@pytest.fixture(autouse=True)
def compiled_as_written():
    """Compile the steps of optimizers without most optimizations, where JAX is at hand."""
    with quick_compilations() if "jax" in sys.modules else contextlib.nullcontext():
        yield
