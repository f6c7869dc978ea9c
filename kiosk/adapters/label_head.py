"""From what the language model holds in mind at the end of an utterance to one of the labels: a small linear layer.

The model's own words for the labels are a poor choice among nineteen of them (a prompt alone reads about half of the
flows' other examples right). The same hidden state, with one weight vector a label fitted to the flows' examples, reads
nine of ten. Plain regularised logistic regression by full-batch descent: the same examples give the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: strength of the pull towards zero, in units of one example; steps and their length
_RIDGE, _STEPS, _RATE, _MOMENTUM = 0.3, 400, 1.0, 0.9
#: features have about this length after scaling
_LENGTH = 4.0


@dataclass(frozen=True)
class Head:
    """`labels` in the order of the columns of `weight` [features, labels]."""

    labels: tuple[str, ...]
    mean: Array
    scale: Array
    weight: Array
    bias: Array

    def shares(self, hidden: Array, permitted: Sequence[str]) -> Array:
        """The probability of each of `permitted`, which sum to 1; labels that are not permitted do not count."""
        scores = ((hidden - self.mean) * self.scale) @ self.weight + self.bias
        chosen = scores[[self.labels.index(p) for p in permitted]]
        e = np.exp(chosen - chosen.max())
        return np.asarray(e / e.sum(), np.float32)


def fit(hidden: Array, labels: Sequence[str]) -> Head:
    """A head for `hidden` [examples, features] and the label of each example."""
    names = tuple(sorted(set(labels)))
    mean = hidden.mean(axis=0)
    scale = _LENGTH / (hidden.std(axis=0) + 1e-6) / np.sqrt(hidden.shape[1])
    x = ((hidden - mean) * scale).astype(np.float64)
    target = np.eye(len(names))[[names.index(label) for label in labels]]
    count = len(x)
    weight, bias = np.zeros((x.shape[1], len(names))), np.zeros(len(names))
    pull, push = np.zeros_like(weight), np.zeros_like(bias)
    for _ in range(_STEPS):
        scores = x @ weight + bias
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        error = (share - target) / count
        pull = _MOMENTUM * pull - _RATE * (x.T @ error + _RIDGE / count * weight)
        push = _MOMENTUM * push - _RATE * error.sum(axis=0)
        weight, bias = weight + pull, bias + push
    return Head(names, mean, scale.astype(np.float32), weight.astype(np.float32), bias.astype(np.float32))
