"""The generator half of our VAE, torch -> Keras. Transposed convolutions have no padding argument there, so the borders are cropped."""
import torch
import torch.nn as nn
from tensorflow import keras
from tensorflow.keras import layers


class Decoder(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.fc = nn.Linear(latent, 8 * 4 * 4)
        self.up1 = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.up2 = nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1)

    def forward(self, z):
        h = torch.relu(self.fc(z)).view(-1, 8, 4, 4)
        h = torch.relu(self.bn(self.up1(h)))
        return torch.tanh(self.up2(h))


def make_decoder(latent=6):
    z = keras.Input((latent,))
    h = layers.Dense(8 * 4 * 4, activation='relu', name='fc')(z)
    h = layers.Permute((2, 3, 1))(layers.Reshape((8, 4, 4))(h))
    h = layers.Conv2DTranspose(6, 4, strides=2, padding='valid', name='up1')(h)
    h = layers.Cropping2D(1)(h)
    h = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name='bn')(h)
    h = layers.ReLU()(h)
    h = layers.Conv2DTranspose(3, 4, strides=2, padding='valid', name='up2')(h)
    return keras.Model(z, keras.activations.tanh(layers.Cropping2D(1)(h)))
