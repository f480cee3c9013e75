"""An autoencoder of handwritten digits in plain NumPy, with gradients written by hand."""

from functools import cache
from pathlib import Path

import numpy as np

DATA = "experiments/data/mnist_5k.npz"
HELD_BACK = 1000  # images for validation


@cache
def images(root, side=28):
    """Return training and validation images as rows of numbers between 0 and 1, in fp32.

    The file holds 500 images of each digit, sorted; both parts get as many of each. Of the 28
    pixels along a side, neighbours are averaged if ``side`` is a half or a quarter of that.
    """
    pixels = np.load(Path(root) / DATA)["images"].astype(np.float32) / 255
    pixels = pixels.reshape(len(pixels), side, 28 // side, side, 28 // side).mean(axis=(2, 4))
    pixels = pixels.reshape(len(pixels), side * side)
    chosen = np.zeros(len(pixels), bool)
    chosen[:: len(pixels) // HELD_BACK] = True
    return pixels[~chosen], pixels[chosen]


class Autoencoder:
    """Fully connected layers of given widths and back; ReLU but at the code and at the end.

    The loss is the cross-entropy of the pixels under the logistic function, summed over the pixels
    and averaged over the images, in nats.

    Parameters
    ----------
    widths : sequence of int
        From the pixels to the code, (784, 256, 64, 16) for instance.
    """

    def __init__(self, widths):
        self.sizes = (*widths, *reversed(widths[:-1]))
        self.linear = {len(widths) - 2, len(self.sizes) - 2}  # layers without ReLU

    def start(self, rng):
        """Return weights of variance 2 / inputs (1 / inputs without ReLU) and biases of zero."""
        weights, biases = [], []
        for layer, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            gain = 1.0 if layer in self.linear else 2.0
            weight = rng.standard_normal((outputs, inputs)) * np.sqrt(gain / inputs)
            weights.append(weight.astype(np.float32))
            biases.append(np.zeros(outputs, np.float32))
        return {"weights": weights, "biases": biases}

    def loss(self, params, x):
        """Return the loss on images x, one per row."""
        logits = self._forward(params, x)[-1]
        # The logarithm of 1 + e^z, written so that nothing overflows.
        log1pexp = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        return float(np.sum(log1pexp - x * logits, dtype=np.float64) / len(x))

    def gradient(self, params, x):
        """Return the gradient of the loss, as a container like the parameters."""
        layers = self._forward(params, x)
        # The logistic function, as the hyperbolic tangent has it: that does not overflow.
        delta = (0.5 * (1 + np.tanh(0.5 * layers[-1])) - x) / len(x)
        weights, biases = [], []
        for layer in reversed(range(len(params["weights"]))):
            if layer not in self.linear:
                delta = delta * (layers[layer + 1] > 0)
            weights.append(delta.T @ layers[layer])
            biases.append(delta.sum(axis=0))
            if layer:
                delta = delta @ params["weights"][layer]
        return {"weights": weights[::-1], "biases": biases[::-1]}

    def _forward(self, params, x):
        """Return the input and what each layer makes of it."""
        layers = [x]
        for layer, (w, b) in enumerate(zip(params["weights"], params["biases"], strict=True)):
            z = layers[-1] @ w.T + b
            layers.append(z if layer in self.linear else np.maximum(z, 0))
        return layers
