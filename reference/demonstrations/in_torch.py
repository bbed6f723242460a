"""What torch does where conventions are met, of layers and losses; `in_torch_training` has the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from reference.demonstrations import Found, Table, outcome

TABLE = Table()


def fresh(make: Callable[[], nn.Module]) -> nn.Module:
    """A new module with torch's own initial weights, drawn beside the caller's random stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _slope(f: Callable[[Tensor], Tensor], at: float = 0.0) -> float:
    x = torch.full((1,), at, requires_grad=True)
    f(x).sum().backward()
    assert x.grad is not None
    return x.grad.item()


def _gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """Of the sum of f's outputs, flat."""
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(f(x).sum(), x)
    return found.numpy().ravel()


def _shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in module.named_parameters()]


@TABLE.of("dense-layout")
def _dense_layout() -> Found:
    yield from ((f"{name} of Linear(4, 3)", shape) for name, shape in _shapes(fresh(lambda: nn.Linear(4, 3))))


@TABLE.of("conv-layout")
def _conv_layout() -> Found:
    module = fresh(lambda: nn.Conv2d(3, 5, (2, 4)))
    yield "weight of Conv2d(3, 5, (2, 4))", _shapes(module)[0][1]
    yield "images (1, 8, 9, 3) as they are", outcome(lambda: module(torch.zeros(1, 8, 9, 3)))


@TABLE.of("depthwise-layout")
def _depthwise_layout() -> Found:
    yield "weight of Conv2d(4, 8, 3, groups=4)", _shapes(fresh(lambda: nn.Conv2d(4, 8, 3, groups=4)))[0][1]


@TABLE.of("conv-stride-dilation")
def _conv_stride_dilation() -> Found:
    module = fresh(lambda: nn.Conv2d(1, 1, 3, stride=2, dilation=2))
    yield "stride 2 with dilation 2", outcome(lambda: module(torch.zeros(1, 1, 9, 9)))


@TABLE.of("pool-ties")
def _pool_ties() -> Found:
    yield "gradient of the maximum of (1, 1, 1, 1)", _gradient(nn.MaxPool2d(2), torch.ones(1, 1, 2, 2))


@TABLE.of("channels-axis")
def _channels_axis() -> Found:
    norm = nn.BatchNorm2d(3)
    yield "BatchNorm2d(3) on (2, 3, 4, 4)", outcome(lambda: norm(torch.zeros(2, 3, 4, 4)))
    yield "on (2, 4, 4, 3)", outcome(lambda: norm(torch.zeros(2, 4, 4, 3)))


@TABLE.of("lrn-radius")
def _lrn_radius() -> Found:
    yield "channels that feel the middle one of 13, size 5", _reach(nn.LocalResponseNorm(5, alpha=1.0), 13)


def _reach(layer: Callable[[Tensor], Tensor], n: int) -> int:
    """How many of n channels change with the middle one."""
    x = torch.ones(1, n, 1, 1)
    moved = x.clone()
    moved[0, n // 2] = 2
    return int((layer(moved) != layer(x)).sum())


@TABLE.of("lrn-float32")
def _lrn_float32() -> Found:
    yield "dtype for a float64 tensor", nn.LocalResponseNorm(3)(torch.ones(1, 3, 1, 1, dtype=torch.float64)).dtype


@TABLE.of("conv-transpose-layout")
def _conv_transpose_layout() -> Found:
    module = fresh(lambda: nn.ConvTranspose2d(3, 5, (2, 4)))
    yield "weight of ConvTranspose2d(3, 5, (2, 4))", _shapes(module)[0][1]


@TABLE.of("conv-transpose-tail")
def _conv_transpose_tail() -> Found:
    module = fresh(lambda: nn.ConvTranspose2d(1, 1, 2, stride=3))
    yield "4 elements, kernel 2, stride 3", module(torch.zeros(1, 1, 4, 4)).shape[-1]


@TABLE.of("batchnorm-batch-of-one")
def _batch_of_one() -> Found:
    yield "one example in training mode", outcome(lambda: nn.BatchNorm1d(2)(torch.ones(1, 2)))
    yield "one image of 2 x 2 pixels", outcome(lambda: nn.BatchNorm2d(2)(torch.ones(1, 2, 2, 2)))


@TABLE.of("dropout-mask")
def _dropout_mask() -> Found:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield "kept of 8, seed 0", (nn.Dropout(0.5)(torch.ones(8)) > 0).int().numpy()
        torch.manual_seed(0)
        yield "first normal number, seed 0", torch.randn(1).item()


@TABLE.of("leaky-relu-float32-slope")
def _leaky_slope() -> Found:
    x = torch.full((1,), -1.0, dtype=torch.float64)
    yield "slope 0.1 in float64, error", abs(nn.LeakyReLU(0.1)(x).item() + 0.1)


@TABLE.of("initial-weights")
def _initial_weights() -> Found:
    linear, lstm = fresh(lambda: nn.Linear(400, 300)), fresh(lambda: nn.LSTM(9, 100))
    table = fresh(lambda: nn.Embedding(900, 50))
    yield "largest weight of Linear(400, 300)", float(linear.weight.detach().abs().max())
    yield "largest bias", float(linear.bias.detach().abs().max())
    yield "largest weight of LSTM(9, 100)", float(lstm.weight_hh_l0.detach().abs().max())
    yield "deviation of Embedding(900, 50)", float(table.weight.detach().std())


@TABLE.of("training-mode")
def _training_mode() -> Found:
    yield "a new BatchNorm1d trains", nn.BatchNorm1d(2).training


@TABLE.of("keras-dtype")
def _dtype() -> Found:
    module = fresh(lambda: nn.Linear(3, 2))
    yield "float64 into a float32 Linear", outcome(lambda: module(torch.ones(2, 3, dtype=torch.float64)))


@TABLE.of("bias-before-batchnorm")
def _bias_before_batchnorm() -> Found:
    chain = fresh(lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    x = torch.linspace(-1, 1, 24).reshape(8, 3)
    bias, weight = chain[0].bias, chain[0].weight
    db, dw = torch.autograd.grad((chain(x) * torch.arange(32).reshape(8, 4)).sum(), [bias, weight])
    yield "largest gradient of the bias", float(db.abs().max())
    yield "of the weights", float(dw.abs().max())


@TABLE.of("relu-at-zero")
def _relu_at_zero() -> Found:
    zero = torch.zeros(1)
    yield "slope at 0 of relu", _slope(torch.relu)
    yield "of maximum(x, 0)", _slope(lambda x: torch.maximum(x, zero))
    yield "of clamp(min=0)", _slope(lambda x: x.clamp(min=0))
    yield "of leaky_relu with 0.25", _slope(nn.LeakyReLU(0.25))


@TABLE.of("softmax-axis")
def _softmax_axis() -> Found:
    y = nn.Softmax(dim=None)(torch.arange(24.0).reshape(2, 3, 4))
    yield "axis of (2, 3, 4) that sums to 1", next(i for i in range(3) if torch.allclose(y.sum(i), torch.ones(())))


@TABLE.of("maxpool-nan")
def _maxpool_nan() -> Found:
    x = torch.tensor([1, torch.nan, 3, 4]).reshape(1, 1, 2, 2)
    yield "the maximum of (1, NaN, 3, 4)", nn.MaxPool2d(2)(x).item()


@TABLE.of("class-labels")
def _class_labels() -> Found:
    z, loss = torch.tensor([[1.0, 2.0, 3.0]]), nn.CrossEntropyLoss()
    yield "loss of (1, 2, 3), class 2 as an index", loss(z, torch.tensor([2])).item()
    yield "as (0, 0, 1)", loss(z, torch.tensor([[0.0, 0, 1]])).item()
    yield "an int32 index", outcome(lambda: loss(z, torch.tensor([2], dtype=torch.int32)))


@TABLE.of("loss-broadcast")
def _loss_broadcast() -> Found:
    p, y = torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, 1.0])
    yield "MSELoss of a perfect (2, 1) against (2,)", nn.MSELoss()(p, y).item()
    yield "BCELoss of it", outcome(lambda: nn.BCELoss()(p, y))


@TABLE.of("attention-arguments")
def _attention_arguments() -> Found:
    names = [n for n in nn.MultiheadAttention.forward.__annotations__ if n in ("query", "key", "value")]
    yield "order", ", ".join(names)


@TABLE.of("embedding-range")
def _embedding_range() -> Found:
    yield "token -1", outcome(lambda: fresh(lambda: nn.Embedding(3, 2))(torch.tensor([-1])))


@TABLE.of("probability-clip")
def _probability_clip() -> Found:
    loss, one = nn.BCELoss(), torch.ones(1, dtype=torch.float64)
    yield "loss of a = 1e-300, y = 1", loss(1e-300 * one, one).item()
    yield "loss of a = 0, y = 1", loss(0 * one, one).item()


@TABLE.of("hidden-logits")
def _hidden_logits() -> Found:
    z = torch.full((1,), 40.0)
    yield "loss of sigmoid(40), y = 0, float32", nn.BCELoss()(torch.sigmoid(z), torch.zeros(1)).item()
    yield "from the logit", nn.BCEWithLogitsLoss()(z, torch.zeros(1)).item()


@TABLE.of("softmax-target-sum")
def _target_sum() -> Found:
    z = torch.tensor([[1.0, 2.0, 3.0]])
    found = _gradient(lambda x: nn.CrossEntropyLoss()(x, torch.zeros(1, 3)), z)
    yield "gradient for targets that are all 0", found


@TABLE.of("hinge-worst")
def _hinge_worst() -> Found:
    z = torch.tensor([[1.0, 0.5, 0.75]])
    yield "3 MultiMarginLoss of (1, 0.5, 0.75), class 0", 3 * nn.MultiMarginLoss()(z, torch.tensor([0])).item()


@TABLE.of("recurrent-layout")
def _recurrent_layout() -> Found:
    module = fresh(lambda: nn.LSTM(3, 5))
    yield "weights of LSTM(3, 5)", [shape for _, shape in _shapes(module)[:2]]
    yield "output for (7, 2, 3)", tuple(module(torch.zeros(7, 2, 3))[0].shape)
    yield "batch_first", module.batch_first


@TABLE.of("recurrent-two-biases")
def _two_biases() -> Found:
    module = fresh(lambda: nn.RNN(2, 3))
    x = torch.linspace(-1, 1, 8).reshape(4, 1, 2)
    gradients = torch.autograd.grad(module(x)[0].sum(), [module.bias_ih_l0, module.bias_hh_l0])
    yield "biases", sum("bias" in name for name, _ in module.named_parameters())
    yield "with the same gradient", torch.allclose(*gradients)


@TABLE.of("gru-reset-before")
def _gru_reset() -> Found:
    # n = tanh(... + r * (W_hn h + b_hn)): with W_hn = 0 the bias is reset where the product comes first.
    module = fresh(lambda: nn.GRU(1, 1))
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.bias_hh_l0[2] = 1
    yield "new state with r = z = 1/2, b_hn = 1", module(torch.zeros(1, 1, 1))[0].item()
    yield "tanh(1/2)/2: the reset comes after", float(np.tanh(0.5) / 2)


@TABLE.of("recurrent-activation")
def _recurrent_activation() -> Found:
    module = fresh(lambda: nn.LSTM(1, 1))
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.bias_ih_l0 += torch.tensor([1.0, 0, 10, 0])
    _, (_, c) = module(torch.zeros(1, 1, 1))
    yield "input gate at 1", c.item() / float(np.tanh(10))


@TABLE.of("embedding-tokens")
def _embedding_tokens() -> Found:
    module = fresh(lambda: nn.Embedding(3, 2))
    yield "tokens as floats", outcome(lambda: module(torch.zeros(2)))
    yield "tokens that require a gradient", outcome(lambda: torch.zeros(2, dtype=torch.long).requires_grad_())


@TABLE.of("embedding-sparse-gradient")
def _embedding_sparse() -> Found:
    module = fresh(lambda: nn.Embedding(3, 1))
    (found,) = torch.autograd.grad(module(torch.tensor([1, 1, 0])).sum(), [module.weight])
    yield "gradient for the tokens (1, 1, 0)", found.numpy().ravel()


@TABLE.of("attention-layout")
def _attention_layout() -> Found:
    module = fresh(lambda: nn.MultiheadAttention(6, 2))
    yield "in_proj_weight of MultiheadAttention(6, 2)", tuple(module.in_proj_weight.shape)
    yield "out_proj.weight", tuple(module.out_proj.weight.shape)


@TABLE.of("empty-batch")
def _empty_batch() -> Found:
    yield "shape out of Linear", tuple(fresh(lambda: nn.Linear(4, 3))(torch.zeros(0, 4)).shape)
    yield "out of Conv2d", tuple(fresh(lambda: nn.Conv2d(3, 2, 3))(torch.zeros(0, 3, 8, 8)).shape)
    yield "out of LSTM", tuple(fresh(lambda: nn.LSTM(4, 3, batch_first=True))(torch.zeros(0, 5, 4))[0].shape)
    yield "out of MaxPool2d", tuple(nn.MaxPool2d(2)(torch.zeros(0, 3, 8, 8)).shape)


@TABLE.of("empty-batch-loss")
def _empty_batch_loss() -> Found:
    module = fresh(lambda: nn.Linear(4, 1))
    loss = nn.MSELoss()(module(torch.zeros(0, 4)), torch.zeros(0, 1))
    yield "squared error of nothing", loss.item()
    yield "gradient of a weight", torch.autograd.grad(loss, [module.weight])[0][0, 0].item()


@TABLE.of("empty-batch-averages")
def _empty_batch_averages() -> Found:
    norm = nn.BatchNorm1d(2)
    norm(torch.zeros(0, 2))
    yield "running mean afterwards", norm.running_mean.numpy()


@TABLE.of("denormals")
def _denormals() -> Found:
    yield "e^-100 in float32", torch.exp(torch.tensor([-100.0])).item()


@TABLE.of("sequence-padding")
def _sequence_padding() -> Found:
    module = fresh(lambda: nn.RNN(1, 1, batch_first=True))
    x = torch.tensor([[[0.5], [1.0], [9.0]]])
    packed = rnn.pack_padded_sequence(x, torch.tensor([2]), batch_first=True)
    out, last = module(packed)
    steps, _ = rnn.pad_packed_sequence(out, batch_first=True, total_length=3)
    yield "output of a padded step", steps[0, 2].item()
    yield "real steps as without padding", bool(torch.allclose(steps[:, :2], module(x[:, :2])[0]))
    yield "h_n is the last real step's", bool(torch.equal(last[0], steps[:, 1]))


@TABLE.of("unbatched-input")
def _unbatched() -> Found:
    yield "Linear(4, 3) on (4,)", tuple(fresh(lambda: nn.Linear(4, 3))(torch.zeros(4)).shape)
    yield "Conv2d(3, 2, 3) on (3, 8, 8)", tuple(fresh(lambda: nn.Conv2d(3, 2, 3))(torch.zeros(3, 8, 8)).shape)


@TABLE.of("integer-input")
def _integers() -> Found:
    module = fresh(lambda: nn.Linear(4, 3))
    yield "int64 into Linear", outcome(lambda: module(torch.ones(2, 4, dtype=torch.long)))


@TABLE.of("dropout-nan")
def _dropout_nan() -> Found:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = nn.Dropout(0.5)(torch.full((100,), torch.nan))
    yield "NaN left of 100, half of them dropped", int(y.isnan().sum())


@TABLE.of("softmax-overflow")
def _softmax_overflow() -> Found:
    yield "softmax of (1000, 0)", nn.Softmax(dim=-1)(torch.tensor([1000.0, 0])).numpy()


@TABLE.of("probability-range")
def _probability_range() -> Found:
    yield "loss of a = 1.5, y = 0", outcome(lambda: nn.BCELoss()(torch.tensor([1.5]), torch.zeros(1)))


@TABLE.of("attention-mask")
def _attention_mask() -> Found:
    first = torch.tensor([[True, False]])
    q, v = torch.zeros(1, 1, 1), torch.tensor([[[1.0], [3.0]]])
    y = functional.scaled_dot_product_attention(q, torch.zeros_like(v), v, attn_mask=first)
    yield "scaled_dot_product_attention of the values (1, 3), mask (True, False)", y.item()
    module = fresh(lambda: nn.MultiheadAttention(1, 1, bias=False, batch_first=True))
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.tensor([[0.0], [0], [1]]))
        module.out_proj.weight.fill_(1)
        yield "MultiheadAttention of the same", module(q, v, v, attn_mask=first)[0].item()


@TABLE.of("batchnorm-names")
def _batchnorm_names() -> Found:
    yield "names", ", ".join(nn.BatchNorm1d(2).state_dict())


@TABLE.of("depthwise-fan")
def _depthwise_fan() -> Found:
    weight = fresh(lambda: nn.Conv2d(8, 8, 3, groups=8)).weight
    fan, _ = nn.init._calculate_fan_in_and_fan_out(weight)
    yield "inputs of a 3 x 3 kernel, 8 channels, depthwise", fan


@TABLE.of("large-mean")
def _large_mean() -> Found:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 1)) + 1e4).float()
    exact = nn.BatchNorm1d(1).double()(x.double())
    yield "largest error at mean 1e4, deviation 1, float32", float((nn.BatchNorm1d(1)(x) - exact).abs().max())


@TABLE.of("deviation-degrees")
def _deviation_degrees() -> Found:
    yield "torch.std of (1, 3)", torch.tensor([1.0, 3.0]).std().item()
    yield "of one number", torch.tensor([3.0]).std().item()
