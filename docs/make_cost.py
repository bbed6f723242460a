"""Draw docs/cost.png: python docs/make_cost.py [FILE]. It takes a minute or two, and the cat images (see `BACKPROOF_DATA`)."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from comparisons.data import cats
from scratch import course

RATE, ITERATIONS, EVERY = 0.0075, 2500, 100


def draw(file: Path) -> None:
    """The cost of the notes' run, every 100 iterations, with the notes' labels."""
    x, y, _, _ = cats()
    _, costs = course.L_layer_model(x.T, y.T, (12288, 20, 7, 5, 1), RATE, ITERATIONS)
    figure, axes = plt.subplots(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axes.plot(range(0, ITERATIONS, EVERY), costs, marker="o", ms=3)
    axes.set(xlabel="iterations", ylabel="cost", title=f"Learning rate = {RATE}", ylim=(0, None))
    axes.annotate(f"{costs[0]:.6f}", (0, costs[0]), xytext=(8, -3), textcoords="offset points")
    last = ITERATIONS - EVERY
    axes.annotate(f"{costs[-1]:.6f}", (last, costs[-1]), xytext=(10, 14), textcoords="offset points", ha="right")
    figure.savefig(file, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("cost.png"))
