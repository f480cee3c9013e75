"""A language model of characters: a small transformer on plays of Shakespeare, in PyTorch."""

import lzma
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from experiments.training_cells import TEXT


class Text:
    """Seven plays to learn from and an eighth, The Tempest, to be judged by.

    Parameters
    ----------
    root : Path
        The root of the checkout.

    Attributes
    ----------
    characters : str
        The vocabulary, in order of the codes.
    training, validation : tensor of int64
        Codes of the characters.
    """

    def __init__(self, root):
        text = lzma.decompress((Path(root) / TEXT).read_bytes()).decode("ascii")
        *plays, last = text.split("\f")
        self.characters = "".join(sorted(set(text) - {"\f"}))
        codes = {character: code for code, character in enumerate(self.characters)}
        self.training, self.validation = (
            torch.tensor([codes[c] for c in part]) for part in ("".join(plays), last)
        )

    def batch(self, count, length, generator):
        """Return inputs and targets, each (count, length), from places drawn at random."""
        places = torch.randint(len(self.training) - length, (count,), generator=generator)
        return _windows(self.training, places, length)

    def held_back(self, count, length):
        """Return inputs and targets from places evenly spread over the last play."""
        places = torch.linspace(0, len(self.validation) - length - 1, count).long()
        return _windows(self.validation, places, length)


def _windows(codes, places, length):
    found = codes[places[:, None] + torch.arange(length + 1)]
    return found[:, :-1], found[:, 1:]


class Block(nn.Module):
    """Causal attention and two layers with a gate-free GELU between, each added to its input."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layers = nn.RMSNorm(width), nn.RMSNorm(width)
        for name in ("query", "key", "value", "out"):
            setattr(self, name, nn.Linear(width, width, bias=False))
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        """Return an array of the same shape, (batch, length, width)."""
        y = self.before_attention(x)
        parts = (self._split(layer(y)) for layer in (self.query, self.key, self.value))
        y = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(x.shape))
        return x + self.down(functional.gelu(self.up(self.before_layers(x))))

    def _split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Transformer(nn.Module):
    """A decoder without biases: learned places, RMS norms, a head of its own.

    Parameters
    ----------
    characters : int
        Size of the vocabulary.
    width, layers, heads, length : int
    seed : int
        Of the initial weights: normal, with variance 1 / inputs for matrices (on the way back
        into the sum over layers divided by their number, twice) and 0.02^2 for embedding,
        places and head.
    """

    def __init__(self, characters, *, width=64, layers=2, heads=4, length=64, seed=0):
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.places = nn.Parameter(torch.empty(length, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, characters, bias=False)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.ndim < 2:
                    continue
                deviation = weight.shape[1] ** -0.5 if name.startswith("blocks.") else 0.02
                if name.endswith(("out.weight", "down.weight")):
                    deviation *= (2 * layers) ** -0.5
                weight.normal_(0.0, deviation, generator=generator)

    def forward(self, codes):
        """Return the logits of the next character at each place."""
        x = self.embedding(codes) + self.places[: codes.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, inputs, targets):
        """Return the mean of -log p(next character)."""
        return functional.cross_entropy(self(inputs).flatten(0, 1), targets.flatten())

    def matrices(self):
        """Return the weights of the blocks: what Muon and its relatives are for."""
        return [p for p in self.blocks.parameters() if p.ndim == 2]

    def others(self):
        """Return embedding, places, head and gains of the norms."""
        hidden = set(map(id, self.matrices()))
        return [p for p in self.parameters() if id(p) not in hidden]
