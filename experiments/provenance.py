"""Where records come from: commit, versions, machine, threads, precision settings, date."""

import datetime
import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# Settings outside any program that change the precision of products.
PRECISION_VARIABLES = (
    "CUPY_TF32",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "JAX_ENABLE_X64",
    "JAX_DEFAULT_MATMUL_PRECISION",
)
_DISTRIBUTIONS = {"cupy": ("cupy-cuda12x", "cupy-cuda13x", "cupy"), "jax": ("jax", "jaxlib")}


@functools.cache
def version(package: str) -> str | None:
    """Return the installed version of a package, None if it is not installed."""
    for distribution in _DISTRIBUTIONS.get(package, (package,)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit(root: Path) -> dict:
    """Return the git commit of a checkout and whether files differ from it; None without git."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # A copy unpacked inside somebody else's repository has no commit of its own.
    if top is None or Path(top).resolve() != Path(root).resolve():
        return {"commit": None, "dirty": None}
    # The pictures are what a run writes; they do not make its source dirty.
    status = _git(root, "status", "--porcelain", "--", ".", ":(exclude)figures/gallery")
    return {"commit": _git(root, "rev-parse", "HEAD"), "dirty": bool(status)}


def settings(names: tuple[str, ...]) -> dict[str, str]:
    """Return those of the environment variables that are set."""
    return {name: os.environ[name] for name in names if name in os.environ}


@functools.cache
def cpu_name() -> str:
    """Return the processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether CuPy is installed and finds a CUDA device."""
    try:
        import cupy

        return bool(cupy.cuda.is_available())
    except ImportError:
        return False


def gpu_name() -> str | None:
    """Return the name of the CUDA device in use, None without one."""
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    except (ImportError, RuntimeError):
        return None


def machine(backend: str) -> dict:
    """Return what decides how fast something runs here."""
    found = {"cpu": cpu_name(), "cores": cores(), "threads": settings(THREAD_VARIABLES)}
    if backend == "cupy":
        found["gpu"] = gpu_name()
    return found


def now() -> str:
    """Return date and time, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def collect(root: Path, backend: str, versions: dict) -> dict:
    """Return the provenance of records computed now, in this process."""
    return {
        **commit(root),
        "date": now(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "backend": backend,
        "machine": machine(backend),
        "precision_settings": settings(PRECISION_VARIABLES),
    }
