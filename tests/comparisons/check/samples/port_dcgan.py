"""DCGAN: the official PyTorch example, ported to TensorFlow."""
import torch.nn as nn
import tensorflow as tf
from tensorflow.keras import layers

nz, ngf, ndf, nc = 10, 4, 4, 3


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.main = nn.Sequential(
            # input is Z, going into a convolution
            nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, nc, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.main = nn.Sequential(
            nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        return self.main(input).view(-1, 1).squeeze(1)


def make_generator_model():
    model = tf.keras.Sequential()
    model.add(layers.Input((1, 1, nz)))
    model.add(layers.Conv2DTranspose(ngf * 4, 4, strides=1, padding='valid', use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
    model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(ngf * 2, 4, strides=2, padding='same', use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
    model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(nc, 4, strides=2, padding='same', use_bias=False, activation='tanh'))
    return model


def make_discriminator_model():
    model = tf.keras.Sequential()
    model.add(layers.Input((16, 16, nc)))
    model.add(layers.Conv2D(ndf, 4, strides=2, padding='same', use_bias=False))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Conv2D(ndf * 2, 4, strides=2, padding='same', use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Conv2D(1, 4, strides=1, padding='valid', use_bias=False))
    model.add(layers.Flatten())
    model.add(layers.Activation('sigmoid'))
    return model


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find('Conv') != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find('BatchNorm') != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)
