"""Conventions of convolution and pooling."""

from __future__ import annotations

from reference.conventions.convention import Convention

CONVENTIONS = (
    Convention(
        id="conv-layout",
        title="Images and kernels of a convolution are stored channels first in torch",
        scratch="images (m, h, w, c), W (kh, kw, c, o)",
        torch="images (m, c, h, w), Conv2d.weight (o, c, kh, kw)",
        tensorflow="as scratch",
        mapping="images are viewed in torch's order around each module; weight = W transposed by (3, 2, 0, 1) and back",
        kind="layout",
        source="torch.nn.Conv2d, keras.layers.Conv2D",
        about=("Conv2D", "MaxPool2D", "AveragePool2D", "GlobalAveragePool2D"),
    ),
    Convention(
        id="conv-same-padding",
        title="Padding that keeps the size, with a stride",
        scratch="p = max((ceil(n/s) - 1) s + d (k - 1) + 1 - n, 0) zeros, floor(p/2) before and the rest after",
        torch="padding='same' refuses a stride; a number means as many zeros before as after",
        tensorflow="padding='same' is scratch's rule",
        mapping="nn.ZeroPad2d with scratch's zeros in front of a convolution without padding",
        kind="value",
        source="torch.nn.Conv2d, tf.nn: notes on padding",
        about=("Conv2D",),
    ),
    Convention(
        id="conv-stride-dilation",
        title="A convolution with both stride and dilation",
        scratch="any",
        torch="any",
        tensorflow="raises ValueError: strides > 1 not supported in conjunction with dilation_rate > 1",
        mapping="none: Keras refuses, the comparison is left out",
        kind="unsupported",
        source="keras.layers.Conv2D",
        about=("Conv2D",),
    ),
    Convention(
        id="depthwise-layout",
        title="Keras's depthwise kernel has the outputs of a channel on an axis of their own",
        scratch="convolution in groups, W (kh, kw, 1, c q)",
        torch="convolution in groups, weight (c q, 1, kh, kw)",
        tensorflow="DepthwiseConv2D.kernel (kh, kw, c, q)",
        mapping="the variable has scratch's shape, and Keras's forward pass is given it reshaped",
        kind="layout",
        source="keras.layers.DepthwiseConv2D",
        about=("Conv2D",),
    ),
    Convention(
        id="pool-ties",
        title="Which of equal elements gets the gradient of a maximum",
        scratch="the first in the window, row by row (the course's mask x == max: each of them, the whole gradient)",
        torch="as scratch",
        tensorflow="as scratch",
        mapping="none needed",
        kind="layout",
        source="torch.nn.MaxPool2d, keras.layers.MaxPooling2D",
        about=("MaxPool2D",),
    ),
    Convention(
        id="flatten-order",
        title="Order in which an image becomes a row",
        scratch="(h, w, c): the channels of a pixel are neighbours",
        torch="(c, h, w): the pixels of a channel are neighbours",
        tensorflow="as scratch",
        mapping="nn.Flatten is given the image in scratch's order",
        kind="value",
        source="torch.nn.Flatten, keras.layers.Flatten",
        about=("Flatten",),
    ),
)
