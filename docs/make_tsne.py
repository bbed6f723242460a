"""Draw docs/tsne.png: python docs/make_tsne.py [FILE]."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from scratch import TSNE, initial_map

POINTS = 1000


def draw(file: Path) -> None:
    """A map of the first 1000 of scikit-learn's digits, coloured by label."""
    digits = load_digits()
    x, labels = digits.data[:POINTS], digits.target[:POINTS]
    y, cost = TSNE(perplexity=30).fit(x, initial_map(x))
    figure, axes = plt.subplots(figsize=(6.4, 5.2), dpi=110, layout="constrained")
    colours = mpl.colormaps["tab10"].colors
    for label in range(10):
        points = y[labels == label]
        axes.scatter(*points.T, s=9, color=colours[label], alpha=0.75, linewidths=0)
        # The median lies inside of a cluster even where some digits have strayed far from it.
        axes.text(
            *np.median(points, axis=0),
            str(label),
            fontsize=17,
            weight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "alpha": 0.8, "edgecolor": colours[label]},
        )
    axes.set_title(f"t-SNE of {POINTS} digits, 64 dimensions to 2: KL divergence {cost:.2f}", fontsize=11)
    axes.set(xticks=[], yticks=[], aspect="equal")
    figure.savefig(file, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("tsne.png"))
