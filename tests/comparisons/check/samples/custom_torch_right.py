"""Hand-written Functions in several authors' ways, all of them right."""
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Exp(Function):
    # separate setup_context
    @staticmethod
    def forward(i):
        return i.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        result, = ctx.saved_tensors
        return grad_output * result


class MyCube(torch.autograd.Function):
    @staticmethod
    def forward(x):
        # also return the derivative
        dx = 3 * x ** 2
        result = x ** 3
        return result, dx

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, = inputs
        result, dx = output
        ctx.save_for_backward(x, dx)

    @staticmethod
    def backward(ctx, grad_output, grad_dx):
        x, dx = ctx.saved_tensors
        return grad_output * dx + grad_dx * 6 * x


class BinarizeSTE(Function):
    """Sign with a straight-through estimator."""
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.sign()

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output * (input.abs() <= 1).float()


class RoundFn(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, g):
        return g


class GradientReversalFn(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        output = grad_output.neg() * ctx.alpha
        return output, None


class SurrogateSpike(Function):
    scale = 100.0

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        out = torch.zeros_like(input)
        out[input > 0] = 1.0
        return out

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output.clone() / (SurrogateSpike.scale * torch.abs(input) + 1.0) ** 2


class ScaledClamp(Function):
    @staticmethod
    def forward(ctx, x, min_val, max_val, scale=1.0):
        ctx.save_for_backward(x)
        ctx.limits = (min_val, max_val)
        ctx.scale = scale
        return scale * x.clamp(min_val, max_val)

    @staticmethod
    def backward(ctx, grad_output):
        x, = ctx.saved_tensors
        lo, hi = ctx.limits
        mask = (x >= lo) & (x <= hi)
        return grad_output * mask * ctx.scale, None, None, None


class MyDropout(Function):
    @staticmethod
    def forward(ctx, x, p=0.5):
        mask = (torch.rand_like(x) > p).float() / (1 - p)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, grad_output):
        mask, = ctx.saved_tensors
        return grad_output * mask, None


class MSELossFn(Function):
    @staticmethod
    def forward(ctx, y_pred, y):
        ctx.save_for_backward(y_pred, y)
        return ((y_pred - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        y_pred, y = ctx.saved_tensors
        return grad_output * 2 * (y_pred - y) / y_pred.numel(), None


class MyConv2d(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None, stride=1, padding=0):
        ctx.save_for_backward(input, weight, bias)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(input, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = torch.nn.grad.conv2d_input(input.shape, weight, grad_output, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.nn.grad.conv2d_weight(input, weight.shape, grad_output, ctx.stride, ctx.padding)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum((0, 2, 3))
        return grad_input, grad_weight, grad_bias, None, None


class Numpy(Function):
    """sin through numpy"""
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return torch.as_tensor(np.sin(input.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output * torch.as_tensor(np.cos(input.numpy()))


class SwishFunction(Function):
    @staticmethod
    def forward(ctx, i, beta):
        ctx.beta = beta
        ctx.save_for_backward(i)
        return i * torch.sigmoid(beta * i)

    @staticmethod
    def backward(ctx, grad_output):
        i = ctx.saved_tensors[0]
        s = torch.sigmoid(ctx.beta * i)
        return grad_output * (s + ctx.beta * i * s * (1 - s)), None


class MulAdd(Function):
    @staticmethod
    def forward(ctx, a, b, c):
        ctx.save_for_backward(a, b)
        return a * b + c

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a, g


class InplaceReLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.clamp_(min=0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        y, = ctx.saved_tensors
        return g * (y > 0).to(g.dtype)


class SwishModule(nn.Module):
    def forward(self, x):
        return SwishFunction.apply(x, 1.0)


def train(net, loader, criterion):
    optimizer = torch.optim.Adam(net.parameters())
    for i, (x, y) in enumerate(loader):
        loss = criterion(net(x), y) / 4
        loss.backward()
        if (i + 1) % 4 == 0:
            optimizer.step()
            net.zero_grad()
