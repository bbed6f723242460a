"""Mistakes in convolution, transposed convolution and pooling."""

from __future__ import annotations

from comparisons.selftest.mutant import Mutant

_VALID, _BACK = "layer/conv/valid-batch3", "convolution:Conv2D._gradients"
_W, _B, _IN, _OUT = "grad/conv2d1.W", "grad/conv2d1.b", "grad/conv2d1.input", "forward/conv2d1"

CONVOLUTION = (
    Mutant("conv/flipped", "the kernel flipped: convolution for cross-correlation",
           "convolution:Conv2D.forward", 'state.params["W"]', 'state.params["W"][::-1, ::-1]', _VALID, _OUT, "kernel is flipped"),
    Mutant("conv/transposed-kernel", "height and width of the kernel swapped",
           "convolution:Conv2D.forward", 'state.params["W"]', 'state.params["W"].swapaxes(0, 1)', _VALID, _OUT, "height and width of the kernel are swapped"),
    Mutant("conv/no-bias", "the bias not added",
           "convolution:Conv2D.forward", 'z += state.params["b"]', "pass", _VALID, _OUT, "the bias is missing"),
    Mutant("conv/dx-flipped", "the kernel not turned round in the backward pass",
           _BACK, "input_gradient(dz_g, w_g, windows, size)", "input_gradient(dz_g, w_g[::-1, ::-1], windows, size)", _VALID, _IN, "kernel is flipped"),
    Mutant("conv/dw-flipped", "dW turned by half a turn",
           "convolution:Conv2D.backward", '{"W": dw}', '{"W": dw[::-1, ::-1]}', _VALID, _W, "flipped"),
    Mutant("conv/dx-overwritten", "windows that overlap overwrite each other",
           "unfolding:_fold", "target += (", "target[...] = (", "layer/conv/many-channels-batch3", _IN, "overwritten instead of accumulated"),
    Mutant("conv/dx-overwritten-few", "the same where there are few channels",
           "unfolding:_fold_few", "target[..., k] += ", "target[..., k] = ", _VALID, _IN, "overwritten instead of accumulated"),
    Mutant("conv/dx-stride", "the stride ignored in the backward pass",
           _BACK, "input_gradient(dz_g, w_g, windows, size)", "input_gradient(dz_g, w_g, Windows(windows.kernel, (1, 1), windows.dilation), size)",
           "layer/conv/stride-batch3", _IN, "stride is ignored"),
    Mutant("conv/dx-crop", "the padding not cut off on the right side",
           "windows:Windows.cropped", "padded[:, top : top + size[0], left : left + size[1]]", "padded[:, : size[0], : size[1]]",
           "layer/conv/explicit-batch3", _IN, "shifted by the padding"),
    Mutant("conv/padding-lopsided", "the larger half of `same` padding before, not after",
           "windows:Windows.pads", "top, left = (total // 2 for total in totals)", "top, left = ((total + 1) // 2 for total in totals)",
           "layer/conv/same-even-kernel-batch3", _OUT, "padding is shifted"),
    Mutant("conv/dilation", "the dilation ignored",
           "convolution:Conv2D._product", "convolve(x_g, w_g, self.windows)",
           "convolve(x_g[:, :-2, :-2], w_g, Windows(self.windows.kernel, self.windows.stride))",
           "layer/conv/dilation-batch3", _OUT, "dilation is ignored"),
    Mutant("conv/dw-divided", "dW divided by m though dZ holds the 1/m",
           "convolution:Conv2D.backward", '{"W": dw}', '{"W": dw / len(x)}', _VALID, _W, "divided by m once too often"),
    Mutant("conv/dw-last-image", "dW of the last image alone",
           _BACK, "kernel_gradient(x_g, dz_g, windows)", "kernel_gradient(x_g[-1:], dz_g[-1:], windows)", _VALID, _W, "only the last example"),
    Mutant("conv/db-mean", "db averaged over pixels and images",
           "convolution:Conv2D.backward", "_column_sums(dz)", "dz.mean(axis=(0, 1, 2))", _VALID, _B, "divided by the number of positions"),
    Mutant("conv/db-per-pixel", "db summed over the images alone",
           "convolution:Conv2D.backward", "_column_sums(dz)", "dz.sum(axis=0)", _VALID, _B, "not summed over"),
    Mutant("conv/db-last-image", "db of the last image alone",
           "convolution:Conv2D.backward", "_column_sums(dz)", "dz[-1].sum(axis=(0, 1))", _VALID, _B, "only the last example"),
    Mutant("conv/groups-reversed", "the groups of dW in the wrong order",
           _BACK, "np.concatenate(dw, axis=-1)", "np.concatenate(dw[::-1], axis=-1)", "layer/conv/groups-batch3", _W, "permutation"),
)  # fmt: skip

_T, _TBACK = "layer/conv-transpose/stride-batch3", "convolution_transpose:Conv2DTranspose.backward"
_TFORWARD = "convolution_transpose:Conv2DTranspose.forward"
TRANSPOSED = (
    Mutant("conv-transpose/flipped", "the kernel flipped",
           _TFORWARD, "kernel[i, j].T", "kernel[-1 - i, -1 - j].T", _T, "forward/conv2dtranspose1", "kernel is flipped"),
    Mutant("conv-transpose/overwritten", "windows that overlap overwrite each other",
           _TFORWARD, "target += (", "target[...] = (", _T, "forward/conv2dtranspose1", "overwritten instead of accumulated"),
    Mutant("conv-transpose/no-bias", "the bias not added",
           _TFORWARD, 'z += state.params["b"]', "pass", _T, "forward/conv2dtranspose1", "the bias is missing"),
    Mutant("conv-transpose/dx-flipped", "the kernel flipped in the backward pass",
           _TBACK, "seen @ kernel[i, j]", "seen @ kernel[-1 - i, -1 - j]", _T, "grad/conv2dtranspose1.input", "kernel is flipped"),
    Mutant("conv-transpose/dx-last", "dx overwritten in the loop over the kernel",
           _TBACK, "dx += seen", "dx = seen", _T, "grad/conv2dtranspose1.input", "only the last element of the kernel"),
    Mutant("conv-transpose/db-mean", "db averaged",
           _TBACK, "dz.sum(axis=(0, 1, 2))", "dz.mean(axis=(0, 1, 2))", _T, "grad/conv2dtranspose1.b", "divided by the number of positions"),
)  # fmt: skip

_OVERLAP, _MAX = "layer/pool/max-overlapping-batch3", "pooling:MaxPool2D.backward"
_ADD = "target += upstream * attains"
_AVERAGE = "pooling:AveragePool2D.backward"
POOLING = (
    Mutant("pool/max-overwritten", "windows that overlap overwrite each other",
           _MAX, _ADD, "np.copyto(target, upstream, where=attains)", _OVERLAP, "grad/maxpool2d1.input", "overwritten instead of accumulated"),
    Mutant("pool/max-spread", "the gradient spread over the window, as in average pooling",
           _MAX, _ADD, "target += upstream / 4", "layer/pool/max-batch3", "grad/maxpool2d1.input", "spread over the window"),
    Mutant("pool/max-to-all", "every element of the window gets the gradient",
           _MAX, "upstream * attains", "upstream", "layer/pool/max-batch3", "grad/maxpool2d1.input", "every element of the window"),
    Mutant("pool/max-ties", "the mask x == max: of equal elements every one gets the gradient",
           _MAX, "left ^= attains", "pass", "layer/pool/max-zeros", "grad/maxpool2d1.input", "every one of equal elements"),
    Mutant("pool/max-last-tie", "of equal elements the last gets the gradient",
           _MAX, "zip(elements, targets, strict=True)", "reversed(list(zip(elements, targets, strict=True)))",
           "layer/pool/max-zeros", "grad/maxpool2d1.input", "the last of equal elements"),
    Mutant("pool/max-first-element", "the first element of the window always gets the gradient",
           _MAX, "attains = element == y", "attains = np.ones(y.shape, bool)", "layer/pool/max-batch3", "grad/maxpool2d1.input", "the first element of the window"),
    Mutant("pool/minimum", "the minimum taken",
           "pooling:MaxPool2D.forward", "np.maximum(y, element, out=y)", "np.minimum(y, element, out=y)", "layer/pool/max-batch3", "forward/maxpool2d1", "minimum"),
    Mutant("pool/max-absolute", "the largest magnitude taken",
           "pooling:MaxPool2D.forward", "np.maximum(y, element, out=y)", "np.copyto(y, element, where=np.abs(element) > np.abs(y))",
           "layer/pool/max-batch3", "forward/maxpool2d1", "largest magnitude"),
    Mutant("pool/average-undivided", "the gradient not divided by the window's size",
           _AVERAGE, "upstream / math.prod(self.windows.kernel)", "upstream", "layer/pool/average-batch3", "grad/averagepool2d1.input", "not divided by the window's size"),
    Mutant("pool/average-overwritten", "windows that overlap overwrite each other",
           _AVERAGE, "target += share", "target[...] = share", "layer/pool/average-overlapping-batch3", "grad/averagepool2d1.input", "overwritten instead of accumulated"),
    Mutant("pool/average-sum", "the sum for the average",
           "pooling:AveragePool2D.forward", "y / math.prod(self.windows.kernel)", "y", "layer/pool/average-batch3", "forward/averagepool2d1", "not divided by the window's size"),
    Mutant("pool/average-one-side", "divided by the window's height alone",
           _AVERAGE, "math.prod(self.windows.kernel)", "self.windows.kernel[0]", "layer/pool/average-overlapping-batch3", "grad/averagepool2d1.input", "window's height alone"),
    Mutant("pool/global-undivided", "the gradient not divided by the number of pixels",
           "pooling:GlobalAveragePool2D.backward", "upstream / (h * w)", "upstream", "layer/pool/global-average-batch3", "grad/globalaveragepool2d1.input", "not divided by the number of pixels"),
    Mutant("pool/global-height", "divided by the height alone",
           "pooling:GlobalAveragePool2D.backward", "(h * w)", "h", "layer/pool/global-average-batch3", "grad/globalaveragepool2d1.input", "height alone"),
    Mutant("pool/flatten-channels-first", "channels first, as in torch",
           "pooling:Flatten.forward", "x.reshape(len(x)", "x.transpose(0, 3, 1, 2).reshape(len(x)", "layer/pool/flatten-batch3", "forward/flatten1", "channels first"),
    Mutant("pool/flatten-columns", "column by column, as Fortran",
           "pooling:Flatten.forward", "x.reshape(len(x), math.prod(x.shape[1:]))", "x.reshape(len(x), math.prod(x.shape[1:]), order='F')",
           "layer/pool/flatten-batch3", "forward/flatten1", "Fortran order"),
    Mutant("pool/unflatten-columns", "the gradient put back column by column",
           "pooling:Flatten.backward", "upstream.reshape(cache)", "upstream.reshape(cache, order='F')", "layer/pool/flatten-batch3", "grad/flatten1.input", "Fortran order"),
)  # fmt: skip
