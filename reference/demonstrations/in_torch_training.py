"""What torch does where conventions are met, of numbers, optimizers and training."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler, swa_utils
from torch.utils.data import DataLoader

from reference.demonstrations import Found, outcome
from reference.demonstrations.in_torch import TABLE, fresh


def _stepped(make: Callable[[list[Tensor]], torch.optim.Optimizer], *gradients: float | None) -> tuple[float, Any]:
    """A weight that starts at 0, after updates with these gradients, and its optimizer."""
    w = torch.zeros(1, requires_grad=True)
    optimizer = make([w])
    for g in gradients:
        w.grad = None if g is None else torch.full((1,), g)
        optimizer.step()
    return w.item(), optimizer


@TABLE.of("gradient-accumulation")
def _accumulation() -> Found:
    w = torch.ones(1, requires_grad=True)
    for _ in range(2):
        (2 * w).sum().backward()
    yield "gradient of 2 w after two backward passes", w.grad.item()


@TABLE.of("weight-decay-meaning")
def _weight_decay() -> Found:
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        w = torch.full((1,), 4.0, requires_grad=True)
        w.grad = torch.zeros(1)
        kind([w], lr=0.1, weight_decay=0.5).step()
        yield f"{kind.__name__} on w = 4, g = 0, decay 0.5, rate 0.1", w.item()


@TABLE.of("clip-not-finite")
def _clip_not_finite() -> Found:
    p = torch.zeros(2, requires_grad=True)
    p.grad = torch.tensor([1.0, torch.inf])
    torch.nn.utils.clip_grad_norm_([p], 1.0)
    yield "(1, inf) clipped to the norm 1", p.grad.numpy()


@TABLE.of("compiled-step-count")
def _step_count() -> Found:
    _, adam = _stepped(lambda p: torch.optim.Adam(p, lr=0.1), 1.0)
    (state,) = adam.state.values()
    count = state["step"]
    yield "dtype of Adam's step count", count.dtype
    exact = 1 - 0.999**1
    yield "1 - 0.999^1 computed with it, relative error", abs(float(1 - 0.999**count) / exact - 1)


@TABLE.of("schedule-count")
def _schedule_count() -> Found:
    _, optimizer = _stepped(lambda p: torch.optim.SGD(p, lr=1.0), 1.0)
    schedule = lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    rates = [schedule.get_last_lr()[0]]
    for _ in range(2):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    yield "rates of 1/(1 + t)", rates


@TABLE.of("optimizer-state-names")
def _state_names() -> Found:
    kinds: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
        "SGD(momentum)": lambda p: torch.optim.SGD(p, momentum=0.9),
        "RMSprop": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
    }
    for name, make in kinds.items():
        (state,) = _stepped(make, 1.0)[1].state.values()
        yield name, ", ".join(state)


@TABLE.of("penalty-in-loss")
def _penalty_in_loss() -> Found:
    w = torch.full((1,), 2.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0, weight_decay=0.5)
    loss = 0 * w.sum()
    loss.backward()
    yield "loss with weight_decay 0.5, w = 2, data term 0", loss.item()
    optimizer.step()
    yield "w after a step", w.item()


@TABLE.of("default-dtype")
def _default_dtype() -> Found:
    array = np.ones(1)
    yield "of [0.5]", torch.tensor([0.5]).dtype
    yield "tensor(float64 array)", torch.tensor(array).dtype
    yield "Tensor(float64 array)", torch.Tensor(array).dtype


@TABLE.of("mixed-dtypes")
def _mixed() -> Found:
    x = torch.ones(2)
    yield "float32 times np.float64", (x * np.sqrt(5)).dtype
    yield "times a float64 tensor", (x * torch.ones(2, dtype=torch.float64)).dtype


@TABLE.of("float32-rounding")
def _rounding() -> Found:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 256), (256, 64)))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    whole, alone = x @ y, x[:1] @ y
    exact = a.astype(np.float64) @ b
    yield "a float32 product, largest error", float(np.abs(whole.numpy() - exact).max() / np.abs(exact).max())
    yield "share of its elements that are NumPy's bit for bit", float((whole.numpy() == a @ b).mean())
    yield "a row alone against the same in 64", float((whole[:1] - alone).abs().max())


@TABLE.of("tensor-float-32")
def _tf32() -> Found:
    yield "precision of products", torch.get_float32_matmul_precision()
    yield "allowed in cuDNN", torch.backends.cudnn.allow_tf32


@TABLE.of("course-gradient-scale")
def _gradient_scale() -> Found:
    z = torch.linspace(-1, 1, 7, dtype=torch.float64).reshape(7, 1).requires_grad_()
    y = torch.zeros_like(z)
    (dz,) = torch.autograd.grad(nn.BCEWithLogitsLoss()(z, y), [z])
    yield "(A - Y) / dJ/dz, m = 7", float(((torch.sigmoid(z) - y) / dz).detach().mean())


@TABLE.of("momentum-dampening")
def _dampening() -> Found:
    def make(p: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD(p, lr=1.0, momentum=0.9, dampening=0.9)

    yield "first step for g = 1, rate 1, momentum 0.9, dampening 0.9", _stepped(make, 1.0)[0]
    yield "after the second", _stepped(make, 1.0, 1.0)[0]


@TABLE.of("default-rate")
def _default_rate() -> Found:
    for kind in (torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.Adam):
        yield kind.__name__, inspect.signature(kind).parameters["lr"].default


@TABLE.of("rate-type")
def _rate_type() -> Found:
    yield "a rate of 1", outcome(lambda: _stepped(lambda p: torch.optim.SGD(p, lr=1), 1.0))


@TABLE.of("missing-gradient")
def _missing_gradient() -> Found:
    def make(p: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(p, lr=1.0)

    once = _stepped(make, 1.0)[0]
    yield "moved by a step of Adam with g = None after g = 1", _stepped(make, 1.0, None)[0] - once
    yield "with g = 0", _stepped(make, 1.0, 0.0)[0] - once


@TABLE.of("average-start")
def _average_start() -> Found:
    model = fresh(lambda: nn.Linear(1, 1, bias=False))
    averaged = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    found = []
    for value in (1.0, 0.0):
        with torch.no_grad():
            model.weight.fill_(value)
        averaged.update_parameters(model)
        found.append(averaged.module.weight.item())
    yield "average of (1, 0), decay 0.9", found


@TABLE.of("decay-start")
def _decay_start() -> Found:
    _, optimizer = _stepped(lambda p: torch.optim.SGD(p, lr=1.0), 1.0)
    yield "LambdaLR with 1/sqrt(t)", outcome(lambda: lr_scheduler.LambdaLR(optimizer, lambda t: 1 / t**0.5))


@TABLE.of("batching")
def _batching() -> Found:
    yield "sizes of 3 examples", [len(batch) for batch in DataLoader([0.0, 1.0, 2.0])]
    yield "of 3 in twos", [len(batch) for batch in DataLoader([0.0, 1.0, 2.0], batch_size=2)]


@TABLE.of("gradient-check-step")
def _gradient_check_step() -> Found:
    yield "eps of gradcheck", inspect.signature(torch.autograd.gradcheck).parameters["eps"].default
    for dtype in (torch.float64, torch.float32):
        yield f"tanh in {dtype}", outcome(partial(_checked, torch.linspace(-1, 1, 5, dtype=dtype)))


def _checked(x: Tensor) -> bool:
    return torch.autograd.gradcheck(torch.tanh, (x.requires_grad_(),))
