"""Sub-pixel super resolution: torch's model, a Keras one beside it, sizes from the command line."""
import argparse

import numpy as np
import torch.nn as nn
import torch.nn.functional as F
from tensorflow import keras
from tensorflow.keras import layers
import tensorflow as tf


class Upscaler(nn.Module):
    def __init__(self, factor, width):
        super().__init__()
        self.first = nn.Conv2d(1, width, 5, padding=2)
        self.last = nn.Conv2d(width, factor ** 2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(factor)

    def forward(self, x):
        return self.shuffle(self.last(F.relu(self.first(x))))


def keras_upscaler(factor, width):
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(width, 5, padding="same", activation="relu", name="first")(image)
    x = layers.Conv2D(factor ** 2, 3, padding="same", name="last")(x)
    return keras.Model(image, layers.Lambda(lambda t: tf.nn.depth_to_space(t, factor))(x))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--upscale-factor", type=int, default=3)
    parser.add_argument("--width", type=int, default=6)
    opt = parser.parse_args()
    data = np.load("images.npz")
    net = Upscaler(opt.upscale_factor, opt.width)
    model = keras_upscaler(opt.upscale_factor, opt.width)
    model.compile(optimizer="adam", loss="mse")
    model.fit(data["low"], data["high"])
