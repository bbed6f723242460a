"""What draws does nothing in the process that runs a checked file, and is unpacked as usual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from comparisons.check.sandbox import Sandbox

DRAWING = """
import matplotlib
matplotlib.use("TkAgg")
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import cm
from mpl_toolkits.mplot3d import Axes3D
import numpy as np

plt.rcParams["figure.figsize"] = (8, 8)
plt.style.use("ggplot")

class Net:
    def __init__(self):
        self.figure = plt.figure()
        self.ax = self.figure.add_subplot(1, 1, 1)
        figure, axes = plt.subplots(2, 3)
        for ax in axes.flatten():
            ax.imshow(np.eye(3), cmap=plt.cm.gray)
        axes[1, 2].set_title("last")
        figure, (left, right) = plt.subplots(1, 2, figsize=(2, 1))
        figure, one = plt.subplots()
        one.set_xlabel("x")
        line, = plt.plot([1, 2])
        counts, bins, patches = plt.hist(np.arange(3))
        with plt.style.context("dark_background"):
            sns.heatmap(np.eye(3), ax=left)
        self.ax.plot_surface(cmap=cm.coolwarm, rstride=1)

def relu(x):
    net = Net()
    return np.maximum(x, 0)

def relu_backward(dout, x):
    return dout * (x > 0)
"""


def test_code_that_draws_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(DRAWING)
    with Sandbox(path, 20.0) as sandbox:
        found = sandbox.find()
    assert {"relu", "relu_backward"} <= {m for unit in found.units for m in unit.members}
    assert not [note for note in found.notes if "not here" in note or "cannot be run" in note]


def test_the_real_modules_stay_what_they_are_elsewhere() -> None:
    code = (
        "from comparisons.check import pictures, source; import importlib.util; "
        "print(importlib.util.find_spec('matplotlib').origin)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "matplotlib" in told
    assert "__init__" in told
