"""The multigrid cycle for CuPy: on a device where there is one, compiled for the host elsewhere.

Its CUDA C is compiled as C++, and a thread of the host plays each thread of a block. So what the
kernels compute is tested, with the shared memory and the barriers, but not on a GPU.
"""

import ctypes
import importlib
import shutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from linalg_ml.deep_directions import GridPoisson
from linalg_ml.deep_directions.hierarchy import hierarchy
from linalg_ml.deep_directions.multigrid import GAUSS_SEIDEL, LEARNED
from linalg_ml.kernels import grids
from tests.conftest import BACKENDS, backend_ready

BEFORE = """
#include <pthread.h>
#include <thread>
#include <utility>
#include <vector>
struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim;
static pthread_barrier_t barrier;
#define __global__
#define __device__
#define __shared__ static
static void __syncthreads() { pthread_barrier_wait(&barrier); }
"""
AFTER = """
template <class... P, size_t... K>
void call(void (*kernel)(P...), void **a, std::index_sequence<K...>) { kernel(*(P *)a[K]...); }

template <class... P>
void run(void (*kernel)(P...), unsigned blocks, unsigned threads, bool together, void **a)
{
    blockDim.x = threads;
    auto block = [=](unsigned thread) {
        for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
            threadIdx.x = thread;
            call(kernel, a, std::index_sequence_for<P...>());
            if (together) __syncthreads();
        }
    };
    if (!together) {
        for (unsigned k = 0; k < threads; k++) block(k);
        return;
    }
    pthread_barrier_init(&barrier, nullptr, threads);
    std::vector<std::thread> all;
    for (unsigned k = 0; k < threads; k++) all.emplace_back(block, k);
    for (auto &thread : all) thread.join();
    pthread_barrier_destroy(&barrier);
}
#define KERNEL(name) \\
    extern "C" void run_##name(unsigned blocks, unsigned threads, bool together, void **a) \\
    { run(name, blocks, threads, together, a); }
KERNEL(smooth) KERNEL(restrict_residual) KERNEL(correct) KERNEL(solve)
"""


class HostModule:
    """Stands in for cupy.RawModule."""

    folder, launches = None, []

    def __init__(self, code):
        source = self.folder / f"multigrid{len(list(self.folder.iterdir()))}.cc"
        source.write_text(BEFORE + code + AFTER)
        shared = source.with_suffix(".so")
        warn = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
        subprocess.run(["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-pthread", *warn,
                        "-o", shared, source], check=True)  # fmt: skip
        self.library = ctypes.CDLL(str(shared))

    def get_function(self, name):
        function = getattr(self.library, f"run_{name}")

        def launch(blocks, threads, arguments):
            self.launches.append(name)
            held = [
                np.array([a.ctypes.data], np.uintp) if isinstance(a, np.ndarray) else np.array([a])
                for a in arguments
            ]
            pointers = (ctypes.c_void_p * len(held))(*(a.ctypes.data for a in held))
            together = name in ("smooth", "solve")  # those with barriers
            function(*map(ctypes.c_uint, (*blocks, *threads)), ctypes.c_bool(together), pointers)

        return launch


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The kernel file, imported on stand-ins for CuPy."""
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    cupy = ModuleType("cupy")
    for name in ("asarray", "ascontiguousarray", "empty_like"):
        setattr(cupy, name, getattr(np, name))
    # What is not written shows.
    cupy.empty = lambda shape, dtype: np.full(shape, np.nan, dtype)
    cupy.empty_like = lambda a: np.full_like(a, np.nan)
    cupy.RawModule = HostModule
    HostModule.folder = tmp_path_factory.mktemp("kernels")
    name = "linalg_ml.kernels.cupy_multigrid"
    before = {key: sys.modules.pop(key, None) for key in ("cupy", name)}
    sys.modules["cupy"] = cupy
    module = importlib.import_module(name)
    for key, old in before.items():
        del sys.modules[key]
        if old is not None:
            sys.modules[key] = old
    del sys.modules["linalg_ml.kernels"].cupy_multigrid
    return module


def problem(shape, with_faces, rng):
    mask = np.ones(shape, bool)
    for _ in range(2 if min(shape) > 2 else 0):
        low = [int(rng.integers(1, n - n // 3)) for n in shape]
        mask[tuple(slice(a, a + max(2, n // 5)) for a, n in zip(low, shape, strict=True))] = False
    faces = None
    if with_faces:
        faces = [
            rng.uniform(0.2, 1, [n + (k == axis) for k, n in enumerate(shape)])
            for axis in range(len(shape))
        ]
    return GridPoisson(mask, solids="neumann", faces=faces)


CASES = [
    ((16, 40), "fractions", True, "float32"),
    ((16, 40), "fractions", True, "float64"),
    ((17, 35), "fractions", False, "float64"),
    ((17, 34), "masks", False, "float64"),
    ((1, 530), "masks", True, "float64"),  # the last grid is larger than what one block solves
    ((8, 9, 11), "fractions", True, "float64"),
    ((9, 8, 34), "masks", False, "float64"),
]


@pytest.mark.parametrize(("shape", "coarsening", "with_faces", "dtype"), CASES)
def test_the_cycle_compiled_for_the_host(host, shape, coarsening, with_faces, dtype):
    rng = np.random.default_rng(sum(shape))
    a = problem(shape, with_faces, rng)
    levels, weights = hierarchy(a, coarsening), LEARNED[coarsening][len(shape)]
    r, like = rng.standard_normal((2, *shape)), np.empty(1, dtype)
    HostModule.launches.clear()
    found = host.multigrid_cycle(levels, weights, 6, like)(r)
    expected = grids.multigrid_cycle(levels, weights, 6, like)(r)
    tolerance = {"float64": 1e-13, "float32": 1e-5}[dtype]
    assert found.dtype == r.dtype and found.shape == r.shape
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
    last = 1 if levels[-1].mask.size <= 512 else 6
    assert len(HostModule.launches) == 4 * (len(levels) - 1) + last


def test_stacks_and_single_residuals(host):
    rng = np.random.default_rng(3)
    a = problem((9, 10), False, rng)
    levels, like = hierarchy(a, "fractions"), np.empty(1)
    cycle = host.multigrid_cycle(levels, LEARNED["fractions"][2], 6, like)
    r = rng.standard_normal((2, 1, 9, 10)).transpose(1, 0, 2, 3)
    found = cycle(r)
    for k in range(2):
        assert np.array_equal(cycle(r[0, k]), found[0, k])
    assert cycle(r[:0]).shape == (0, 2, 9, 10)


def test_what_has_no_kernel_of_its_own(host):
    """Half precision, and red-black Gauss-Seidel."""
    rng = np.random.default_rng(4)
    a = problem((9, 10), False, rng)
    levels, r = hierarchy(a, "fractions"), rng.standard_normal((9, 10))
    HostModule.launches.clear()
    for weights, dtype in ((LEARNED["fractions"][2], np.float16), (GAUSS_SEIDEL, np.float64)):
        like = np.empty(1, dtype)
        expected = grids.multigrid_cycle(levels, weights, 6, like)(r)
        assert np.array_equal(host.multigrid_cycle(levels, weights, 6, like)(r), expected)
    assert not HostModule.launches


@pytest.mark.gpu
@pytest.mark.parametrize(("shape", "coarsening", "with_faces", "dtype"), CASES)
def test_the_cycle_on_a_device(shape, coarsening, with_faces, dtype):
    with backend_ready(BACKENDS[-1]) as backend:
        from linalg_ml.kernels import cupy_multigrid

        rng = np.random.default_rng(sum(shape))
        a = problem(shape, with_faces, rng)
        levels, weights = hierarchy(a, coarsening), LEARNED[coarsening][len(shape)]
        r = rng.standard_normal((2, *shape))
        expected = grids.multigrid_cycle(levels, weights, 6, np.empty(1, dtype))(r)
        like = backend.array(np.empty(1), dtype)
        found = cupy_multigrid.multigrid_cycle(levels, weights, 6, like)(backend.array(r))
        gap = np.abs(backend.to_numpy(found) - expected).max()
        assert gap < {"float64": 1e-13, "float32": 1e-5}[dtype] * np.abs(expected).max()
