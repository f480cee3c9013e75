"""Inside torch.autocast every solver computes what it computes outside."""

import pytest

import linalg_ml as la
from linalg_ml import sketching

torch = pytest.importorskip("torch")


def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


WIDE, TALL, SQUARE = draw(16, 4) @ draw(4, 64), draw(96, 8), draw(24, 24)
SHIFTED = SQUARE @ SQUARE.T / 24 + torch.eye(24)
INDEFINITE = SHIFTED - 1.5 * torch.eye(24)
CALLS = {
    "orthogonalize": lambda: la.orthogonalize(WIDE + 1e-4 * draw(16, 64)),
    "polar": lambda: la.polar(TALL).x,
    "polar-qdwh": lambda: la.polar(TALL, method="qdwh").x,
    "signm": lambda: la.signm(INDEFINITE).x,
    "sqrtm": lambda: la.sqrtm(SHIFTED).x,
    "inverse_root": lambda: la.inverse_root(SHIFTED, 4).x,
    "project_psd": lambda: la.project_psd(INDEFINITE).x,
    "eigh_by_sign": lambda: la.eigh_by_sign(SHIFTED).x,
    "clip_singular_values": lambda: la.clip_singular_values(TALL, 1.0).x,
    "cg": lambda: la.cg(SHIFTED, SQUARE[0]).x,
    "minres": lambda: la.minres(SHIFTED, SQUARE[0]).x,
    "gmres": lambda: la.gmres(SHIFTED, SQUARE[0]).x,
    "sor": lambda: la.sor(SHIFTED, SQUARE[0]).x,
    "robust_pca": lambda: la.robust_pca(TALL, maxiter=30).x,
    "sketched_lstsq": lambda: la.sketched_lstsq(TALL, draw(96), rng=0).x,
    "srht": lambda: sketching.embedding("srht", (20, 96), rng=0) @ TALL,
    "nystrom": lambda: la.nystrom(SHIFTED, 5, rng=0).x,
    "estimate_trace": lambda: la.estimate_trace(SHIFTED, products=12, rng=0).x,
    "sketch_and_project": lambda: la.sketch_and_project(SHIFTED, SQUARE[0], rng=0).x,
    "matmul": lambda: la.matmul(SQUARE, SHIFTED),
}


@pytest.mark.parametrize("name", CALLS)
def test_autocast_changes_nothing(name):
    expected = CALLS[name]()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = CALLS[name]()
        assert torch.is_autocast_enabled("cpu")
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
