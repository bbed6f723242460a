"""CNN for sentences (Kim 2014): the PyTorch version that everybody has, then tf.keras as a subclassed model."""
import torch
import torch.nn as nn
import torch.nn.functional as F
import tensorflow as tf


class CNN_Text(nn.Module):
    def __init__(self, embed_num, embed_dim=16, class_num=2, kernel_num=6, kernel_sizes=(3, 4, 5), dropout=0.5):
        super(CNN_Text, self).__init__()
        self.dropout_p = dropout
        self.embed = nn.Embedding(embed_num, embed_dim)
        self.convs1 = nn.ModuleList([nn.Conv2d(1, kernel_num, (K, embed_dim)) for K in kernel_sizes])
        self.fc1 = nn.Linear(len(kernel_sizes) * kernel_num, class_num)

    def forward(self, x):
        x = self.embed(x)  # (N, W, D)
        x = x.unsqueeze(1)  # (N, 1, W, D)
        x = [F.relu(conv(x)).squeeze(3) for conv in self.convs1]  # [(N, Co, W), ...]
        x = [F.max_pool1d(i, i.size(2)).squeeze(2) for i in x]  # [(N, Co), ...]
        x = torch.cat(x, 1)
        x = F.dropout(x, self.dropout_p, training=self.training)
        return self.fc1(x)


class TextCNN(tf.keras.Model):
    def __init__(self, embed_num, embed_dim=16, class_num=2, kernel_num=6, kernel_sizes=(3, 4, 5), dropout=0.5):
        super(TextCNN, self).__init__()
        self.embed = tf.keras.layers.Embedding(embed_num, embed_dim)
        self.convs1 = [tf.keras.layers.Conv2D(kernel_num, (k, embed_dim), activation='relu') for k in kernel_sizes]
        self.dropout = tf.keras.layers.Dropout(dropout)
        self.fc1 = tf.keras.layers.Dense(class_num)

    def call(self, x, training=None):
        x = self.embed(x)
        x = tf.expand_dims(x, -1)  # (N, W, D, 1)
        x = [tf.squeeze(conv(x), 2) for conv in self.convs1]
        x = tf.concat([tf.reduce_max(i, axis=1) for i in x], axis=1)
        x = self.dropout(x, training=training)
        return self.fc1(x)


if __name__ == '__main__':
    vocab_size = 120
    old = CNN_Text(vocab_size)
    new = TextCNN(vocab_size)
    print(old(torch.randint(0, vocab_size, (4, 30))).shape)
