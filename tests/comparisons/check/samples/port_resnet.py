"""A ResNet for 32 x 32 images in PyTorch (after torchvision) and with Keras' functional API."""
import torch
from torch import nn
from tensorflow import keras
from tensorflow.keras import layers


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10):
        super().__init__()
        self.in_planes = 8
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = self._make_layer(block, 8, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 16, num_blocks[1], stride=2)
        self.linear = nn.Linear(16 * block.expansion, num_classes)

    def _make_layer(self, block, planes, num_blocks, stride):
        layers_ = []
        for s in [stride] + [1] * (num_blocks - 1):
            layers_.append(block(self.in_planes, planes, s))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers_)

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        out = nn.functional.adaptive_avg_pool2d(out, 1).flatten(1)
        return self.linear(out)


def resnet_small():
    return ResNet(BasicBlock, [1, 1])


def bn(x, name):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def conv3x3(x, filters, strides, name):
    x = layers.ZeroPadding2D(1)(x)
    return layers.Conv2D(filters, 3, strides=strides, padding='valid', use_bias=False, name=name)(x)


def basic_block(x, filters, strides, name):
    shortcut = x
    out = conv3x3(x, filters, strides, name + '_conv1')
    out = layers.ReLU()(bn(out, name + '_bn1'))
    out = bn(conv3x3(out, filters, 1, name + '_conv2'), name + '_bn2')
    if strides != 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=strides, use_bias=False, name=name + '_short_conv')(x)
        shortcut = bn(shortcut, name + '_short_bn')
    return layers.ReLU()(layers.Add()([out, shortcut]))


def build_resnet(input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.ReLU()(bn(conv3x3(inputs, 8, 1, 'conv1'), 'bn1'))
    x = basic_block(x, 8, 1, 'layer1_0')
    x = basic_block(x, 16, 2, 'layer2_0')
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(num_classes, name='linear')(x)
    return keras.Model(inputs, outputs)


def main():
    model = build_resnet((32, 32, 3), 10)
    model.compile('sgd', loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    (x_train, y_train), _ = keras.datasets.cifar10.load_data()
    model.fit(x_train / 255., y_train, epochs=2)


if __name__ == '__main__':
    main()
