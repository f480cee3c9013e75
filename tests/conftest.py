"""The array libraries the tests run on: one fixture, ``xp``, and a line that says which ran."""

import contextlib
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Backend:
    """One way to make arrays: a library, a device and a memory order."""

    name: str
    library: str
    has_float64: bool = True
    device: Any = None

    def __str__(self):
        return self.name

    def array(self, values, dtype=None):
        """Put host values where this backend lives, in ``dtype`` (a name) or their own."""
        values = np.asarray(values)
        if dtype is None:
            dtype = values.dtype.name
        if not self.has_float64:
            dtype = {"float64": "float32", "complex128": "complex64"}.get(dtype, dtype)
        return self._make(values, dtype)

    def _make(self, values, dtype):
        if dtype == "bfloat16" and self.library in ("numpy", "cupy"):
            dtype = import_module("ml_dtypes").bfloat16
        if self.library == "numpy":
            order = "F" if self.name == "numpy-fortran" else "C"
            made = np.array(values, dtype=dtype, order=order)
            made.setflags(write=self.name != "numpy-readonly")
            return made
        library = import_module({"jax": "jax.numpy"}.get(self.library, self.library))
        dtype = dtype if self.library == "cupy" else getattr(library, dtype)
        if self.library == "torch":  # not every type of NumPy is one of its own
            return library.tensor(values.tolist() if values.dtype.kind == "V" else values).to(dtype)
        kwargs = {} if self.device is None else {"device": self.device}
        return library.asarray(values, dtype=dtype, **kwargs)

    @staticmethod
    def to_numpy(a):
        """Copy an array of any library to the host."""
        from linalg_ml._core.namespace import to_numpy

        return np.array(to_numpy(a))

    @staticmethod
    def assert_like(out, given, shape=None):
        """Assert that ``out`` has the library, device, dtype and shape of ``given``."""
        from linalg_ml._core.namespace import device, library

        assert library(out) == library(given)
        assert device(out) == device(given)
        assert out.dtype == given.dtype
        assert tuple(out.shape) == tuple(given.shape if shape is None else shape)


BACKENDS = (
    Backend("numpy", "numpy"),
    Backend("numpy-readonly", "numpy"),
    Backend("numpy-fortran", "numpy"),
    Backend("strict", "array_api_strict"),
    Backend("strict-float32", "array_api_strict", has_float64=False, device="no_float64"),
    Backend("torch", "torch"),
    Backend("jax", "jax", has_float64=False),
    Backend("jax-x64", "jax"),
    Backend("cupy", "cupy"),
)
_MARKS = {"torch": pytest.mark.torch, "cupy": pytest.mark.gpu}


def _why_absent(backend):
    """Return why a backend cannot run here, or None."""
    if find_spec(backend.library) is None:
        return f"{backend.library} is not installed"
    if backend.library == "cupy" and not import_module("cupy").cuda.is_available():
        return "there is no CUDA device"
    return None


def parameters(backends=BACKENDS):
    """Return pytest parameters, marked by library."""
    return [
        pytest.param(backend, id=backend.name, marks=_MARKS.get(backend.library, ()))
        for backend in backends
    ]


@contextlib.contextmanager
def quick_compilations():
    """Let JAX leave out most optimizations, where it compiles often and runs little."""
    config = import_module("jax").config
    before = config.values["jax_disable_most_optimizations"]
    config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        config.update("jax_disable_most_optimizations", before)


@contextlib.contextmanager
def backend_ready(backend):
    """Skip where a backend is absent; set what its library needs."""
    why = _why_absent(backend)
    if why:
        pytest.skip(why)
    with contextlib.ExitStack() as stack:
        if backend.library == "jax":
            jax = import_module("jax")
            stack.enter_context(jax.enable_x64(backend.name == "jax-x64"))
            stack.enter_context(quick_compilations())
        if backend.name == "strict-float32":
            strict = import_module("array_api_strict")
            backend = Backend(**{**vars(backend), "device": strict.Device("no_float64")})
        yield backend


@pytest.fixture(params=parameters([b for b in BACKENDS if b.name != "jax-x64"]))
def xp(request):
    """Every array library in turn, JAX as it comes: without float64."""
    with backend_ready(request.param) as backend:
        yield backend


@pytest.fixture(
    params=parameters(
        [b for b in BACKENDS if (b.has_float64 and "-" not in b.name) or b.name == "jax-x64"]
    )
)
def xp64(request):
    """Every array library that has float64 in turn, JAX with x64 enabled."""
    with backend_ready(request.param) as backend:
        yield backend


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


def pytest_report_header(config):
    """Say which array libraries the tests run on."""
    absent = {backend.name: _why_absent(backend) for backend in BACKENDS}
    runs = ", ".join(name for name, why in absent.items() if why is None)
    lines = [f"array libraries: {runs}"]
    lines += [f"array library absent: {name} ({why})" for name, why in absent.items() if why]
    return lines


def pytest_terminal_summary(terminalreporter):
    """Repeat which are absent where the end of a log is read."""
    for backend in BACKENDS:
        why = _why_absent(backend)
        if why:
            terminalreporter.write_line(f"not tested on {backend.name}: {why}")
