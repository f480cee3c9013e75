"""Steps on two processes beside one: ``python -m experiments.bench.distributed [PROCESSES]``.

Each process makes, in turn, the whole step alone and its part of the step of all. What is
compared is the CPU time of the process, one thread for products: without waiting, but with the
threads that exchange data.
"""

import multiprocessing
import statistics
import sys
import tempfile
import time

ROUNDS = 3
BLOCK = ((768, 256), (256, 256), (1024, 256), (256, 1024))  # of a transformer of width 256
LARGE = ((2048, 512), (2048, 1024))
MODELS = {
    "Muon, 6 blocks of width 256": ("Muon", BLOCK * 6),
    "PolarGrad by QDWH, 2 blocks": ("PolarGrad", BLOCK * 2),
    "SOAP, 2 blocks, 10 steps": ("SOAP", BLOCK * 2),
    **{f"Muon, {m} x {n}, by rows": ("Muon", ((m, n),)) for m, n in LARGE},
}


def measure(rank, size, store, results):
    """Put (rank, CPU seconds of a step alone, ratio) of each model in a queue."""
    import torch
    import torch.distributed as dist

    from linalg_ml.optim import torch as single
    from linalg_ml.optim import torch_distributed as shared

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    for kind, shapes in MODELS.values():
        optimizers = []
        for module in (single, shared):
            rng = torch.Generator().manual_seed(0)
            params = [torch.nn.Parameter(torch.randn(shape, generator=rng)) for shape in shapes]
            for param in params:
                param.grad = torch.randn(param.shape, generator=rng)
            optimizers.append(getattr(module, kind)(params, lr=0.01))
        steps = 10 if kind == "SOAP" else 1  # of which one refreshes the bases
        for optimizer in optimizers:
            optimizer.step()
        alone, ratios = [], []
        for _ in range(ROUNDS):
            spent = []
            for optimizer in optimizers:
                dist.barrier()
                start = time.process_time()
                for _ in range(steps):
                    optimizer.step()
                spent.append((time.process_time() - start) / steps)
            alone.append(spent[0])
            ratios.append(spent[1] / spent[0])
        results.put((rank, min(alone), statistics.median(ratios)))
        dist.barrier()
    dist.destroy_process_group()


def main(size):
    """Print the median of the ratios for each model and process."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        results = context.Queue()
        workers = [
            context.Process(target=measure, args=(rank, size, f"{folder}/store", results))
            for rank in range(size)
        ]
        for worker in workers:
            worker.start()
        print(f"CPU time of a step on {size} processes over that on one, rank by rank")
        for name in MODELS:  # in the order in which they are measured, rank by rank
            rows = [results.get(timeout=600) for _ in range(size)]
            ratios = "  ".join(f"{ratio:.2f}" for _, _, ratio in sorted(rows))
            alone = min(seconds for _, seconds, _ in rows)
            print(f"    {name:32} {alone:8.3f} s alone   {ratios}", flush=True)
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
