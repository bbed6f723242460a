"""A small VGG for CIFAR-10 in Keras, and my port to PyTorch."""
import numpy as np
import torch
import torch.nn as nn


def build_vgg(num_classes=10, weight_decay=0.0005):
    from keras.models import Sequential
    from keras.layers import Conv2D, BatchNormalization, Activation, MaxPooling2D, Dropout, Flatten, Dense, Input
    from keras import regularizers
    model = Sequential()
    model.add(Input((32, 32, 3)))
    for i, (filters, drop) in enumerate([(8, 0.3), (8, None), (16, 0.4), (16, None)]):
        model.add(Conv2D(filters, (3, 3), padding='same', kernel_regularizer=regularizers.l2(weight_decay)))
        model.add(Activation('relu'))
        model.add(BatchNormalization())
        if drop:
            model.add(Dropout(drop))
        else:
            model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Flatten())
    model.add(Dense(32, kernel_regularizer=regularizers.l2(weight_decay)))
    model.add(Activation('relu'))
    model.add(BatchNormalization())
    model.add(Dropout(0.5))
    model.add(Dense(num_classes))
    model.add(Activation('softmax'))
    return model


cfg = {'small': [(8, 0.3), 8, 'M', (16, 0.4), 16, 'M']}


class VGG(nn.Module):
    def __init__(self, name, num_classes=10):
        super().__init__()
        self.features = self._make_layers(cfg[name])
        self.classifier = nn.Sequential(
            nn.Linear(16 * 8 * 8, 32),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(32, eps=1e-3, momentum=0.01),
            nn.Dropout(0.5),
            nn.Linear(32, num_classes),
        )

    def forward(self, x):
        out = self.features(x)
        out = out.view(out.size(0), -1)
        return self.classifier(out)

    def _make_layers(self, cfg):
        layers, in_channels = [], 3
        for x in cfg:
            if x == 'M':
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
                continue
            filters, drop = x if isinstance(x, tuple) else (x, None)
            layers += [nn.Conv2d(in_channels, filters, kernel_size=3, padding=1),
                       nn.ReLU(inplace=True),
                       nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)]
            if drop:
                layers += [nn.Dropout(drop)]
            in_channels = filters
        return nn.Sequential(*layers)


def train(model, loader, device='cpu'):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()


if __name__ == '__main__':
    net = VGG('small')
    print(net(torch.randn(2, 3, 32, 32)).size())
