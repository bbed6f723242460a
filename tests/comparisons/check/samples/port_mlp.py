"""An MLP head with GELU, batch norm and dropout: torch, and a subclassed tf.keras.Model."""
import tensorflow as tf
import torch
from torch import nn


class MLP(nn.Module):
    def __init__(self, in_features=20, hidden=16, num_classes=4, p=0.3):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, num_classes)
        self.act = nn.GELU()
        self.drop = nn.Dropout(p)

    def forward(self, x):
        x = self.drop(self.act(self.bn1(self.fc1(x))))
        x = self.drop(self.act(self.bn2(self.fc2(x))))
        return self.fc3(x)


class KerasMLP(tf.keras.Model):
    def __init__(self, hidden=16, num_classes=4, p=0.3):
        super().__init__()
        self.fc1 = tf.keras.layers.Dense(hidden)
        self.bn1 = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        self.fc2 = tf.keras.layers.Dense(hidden)
        self.bn2 = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        self.fc3 = tf.keras.layers.Dense(num_classes)
        self.drop = tf.keras.layers.Dropout(p)

    def call(self, x, training=False):
        x = tf.nn.gelu(self.bn1(self.fc1(x), training=training))
        x = self.drop(x, training=training)
        x = tf.nn.gelu(self.bn2(self.fc2(x), training=training))
        x = self.drop(x, training=training)
        return self.fc3(x)


def train_step(model, x, y, optimizer, loss_fn):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    grads = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    return loss
