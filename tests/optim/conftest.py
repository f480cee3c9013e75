"""Quick compilations for the tests of the optimizers."""

import sys

import pytest


@pytest.fixture(autouse=True)
def compiled_as_written():
    """Let JAX leave out most optimizations: here it compiles often and runs a few steps."""
    jax = sys.modules.get("jax")
    if jax is None:
        yield
        return
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
