"""Models and their ports between torch and Keras: right ports agree, each usual mistake of a port is found and named."""

from __future__ import annotations

from typing import Any

import pytest

from comparisons.errors import BackproofError
from comparisons.port_copies import compare_copied
from comparisons.ports import PortResult, compare_models
from reference import missing

pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]


def torch_images(**norm: Any) -> Any:
    """Convolution, batch norm, pooling and flattening by functions: none of these is a module that could be watched."""
    import torch
    from torch import nn

    class Images(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4, **norm)
            self.hidden = nn.Linear(4 * 4 * 3, 5)
            self.head = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            x = torch.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
            return self.head(torch.tanh(self.hidden(torch.flatten(x, 1))))

    return Images()


def keras_images(activation: str = "tanh", pool: str = "max", **norm: Any) -> Any:
    from reference import twin_class

    twin_class("tensorflow")  # sets the backend
    import keras
    from keras import layers

    pooling = layers.MaxPooling2D(2) if pool == "max" else layers.AveragePooling2D(2)
    return keras.Sequential(
        [
            keras.Input((8, 6, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(**({"epsilon": 1e-5, "momentum": 0.9} | norm)),
            layers.ReLU(),
            pooling,
            layers.Flatten(),
            layers.Dense(5, activation=activation),
            layers.Dense(2),
        ]
    )


def verdicts(result: PortResult) -> set[str]:
    return {row["verdict"] for row in result.rows}


def first_wrong(result: PortResult) -> dict[str, Any]:
    return next(row for row in result.rows if row["verdict"] == "mismatch")


@pytest.mark.parametrize("ported", ["keras", "torch"])
def test_a_right_port_agrees_either_way_round(ported: str) -> None:
    models = keras_images(), torch_images()
    result = compare_models(*(models if ported == "keras" else models[::-1]))
    # Nothing but the bias in front of batch norm, whose gradient is zero but for rounding, is left undecided.
    undecided = [row["tensor"] for row in result.rows if row["verdict"] != "match"]
    assert len(undecided) == 1
    assert undecided[0].startswith("grad/conv")
    assert undecided[0].endswith(".b")
    tensors = {row["tensor"].rpartition("/")[2] for row in result.rows}
    assert any(name.endswith("running_var") for name in tensors)
    assert len(result.rows) == 38


def test_epsilon_left_at_keras_default_is_named() -> None:
    result = compare_models(keras_images(epsilon=1e-3), torch_images())
    wrong = first_wrong(result)
    assert wrong["tensor"] == "forward/norm"
    assert "epsilon 0.001, the reference 1e-05" in wrong["diagnosis"]
    assert not [r for r in result.rows if r["verdict"] == "mismatch" and "epsilon" not in r["diagnosis"]]


def test_momentum_left_at_keras_default_is_seen_in_the_running_averages_alone() -> None:
    result = compare_models(keras_images(momentum=0.99), torch_images())
    wrong = [row for row in result.rows if row["verdict"] == "mismatch"]
    assert [row["tensor"] for row in wrong] == ["step1/buffer/norm.running_mean", "step1/buffer/norm.running_var"]
    assert all("momentum 0.99, the reference 0.9" in row["diagnosis"] for row in wrong)


@pytest.mark.parametrize(
    ("change", "tensor", "before", "why"),
    [
        ({"activation": "relu"}, "forward/head", "hidden", "relu follows it, in the reference tanh"),
        ({"activation": "linear"}, "forward/head", "hidden", "nothing follows it, in the reference tanh"),
        (
            {"pool": "average"},
            "forward/hidden",
            "norm",
            "relu and average pooling follows it, in the reference relu and max",
        ),
    ],
)
def test_what_lies_between_two_layers_is_located(change: dict[str, str], tensor: str, before: str, why: str) -> None:
    wrong = first_wrong(compare_models(keras_images(**change), torch_images()))
    assert wrong["tensor"] == tensor
    assert wrong["diagnosis"].startswith(f"the output of {before} still agrees: {why}")


def _residual(slope: float = 0.2) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Torch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 1)
            self.leaky = nn.LeakyReLU(0.2)

        def forward(self, x: Any) -> Any:
            x = self.leaky(self.first(x))
            out = self.second(x)
            out += x
            out *= 2
            return self.head(torch.tanh_(out)).squeeze(1)

    keras_images()
    import keras
    from keras import layers

    inputs = keras.Input((4,))
    x = layers.LeakyReLU(negative_slope=slope)(layers.Dense(5)(inputs))
    out = keras.ops.tanh(2 * (layers.Dense(5)(x) + x))
    return keras.Model(inputs, layers.Dense(1)(out)), Torch()


def test_a_model_that_writes_over_the_output_of_a_layer_and_drops_an_axis_agrees() -> None:
    assert verdicts(compare_models(*_residual())) == {"match"}


def test_images_that_keras_turns_to_channels_first_before_they_are_flattened() -> None:
    model = keras_images()
    import keras
    from keras import layers

    turned = [layers.Permute((3, 1, 2)), layers.Flatten(), layers.Dropout(0.1)]
    parts = [part for layer in model.layers for part in (turned if isinstance(layer, layers.Flatten) else [layer])]
    assert verdicts(compare_models(keras.Sequential([keras.Input((8, 6, 3)), *parts]), torch_images())) <= {
        "match",
        "vacuous",
    }


def test_a_slope_left_at_keras_default_is_named() -> None:
    wrong = first_wrong(compare_models(*_residual(0.3)))
    assert wrong["tensor"] == "forward/second"
    assert "has slope 0.3, the reference 0.2" in wrong["diagnosis"]


def test_the_last_states_of_a_recurrent_layer_and_their_gradient() -> None:
    from torch import nn

    class Torch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            _, (h, _) = self.lstm(x)
            return self.head(h[-1])

    keras_images()
    import keras
    from keras import layers

    result = compare_models(keras.Sequential([keras.Input((6, 4)), layers.LSTM(3), layers.Dense(2)]), Torch())
    assert verdicts(result) == {"match"}
    assert "grad/lstm.output" in {row["tensor"] for row in result.rows}


def test_sequences_with_an_embedding_and_dropout() -> None:
    import torch
    from torch import nn

    class Torch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(11, 4)
            self.lstm, self.gru = nn.LSTM(4, 3, batch_first=True), nn.GRU(3, 5, batch_first=True)
            self.dropout, self.head = nn.Dropout(0.2), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            states, _ = self.gru(self.lstm(self.tokens(x))[0])
            return self.head(self.dropout(torch.relu(states[:, -1])))

    keras_images()
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(11, 4),
            layers.LSTM(3, return_sequences=True),
            layers.GRU(5),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(2),
        ]
    )
    result = compare_models(model, Torch())
    assert verdicts(result) == {"match"}
    assert len(result.rows) == 38
    assert "switched off on both sides" in result.remarks[0]


def torch_sequences(take: str = "ends") -> Any:
    import torch
    from torch import nn

    class Sequences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 3, num_layers=2, batch_first=True, bidirectional=True)
            self.head = nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            out, (h, _) = self.lstm(x)
            return self.head(torch.cat([h[-2], h[-1]], dim=1) if take == "ends" else out[:, -1])

    return Sequences()


def keras_sequences(**last: Any) -> Any:
    keras_images()
    import keras
    from keras import layers

    both = [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.Bidirectional(layers.LSTM(3, **last))]
    return keras.Sequential([keras.Input((5, 4)), *both, layers.Dense(2, activation="softmax")])


def test_two_layers_in_both_directions_and_a_softmax_that_the_loss_has() -> None:
    result = compare_models(keras_sequences(), torch_sequences())
    assert verdicts(result) == {"match"}
    assert any("softmax" in remark for remark in result.remarks)
    assert {"grad/lstm_l0.U_reverse", "forward/lstm_l1"} <= {row["tensor"] for row in result.rows}


@pytest.mark.parametrize(
    ("torch_", "keras_", "cause"),
    [
        ({"take": "out[:, -1]"}, {}, "the one from the end stands at the first step"),
        ({}, {"activation": "relu"}, "activation relu, the reference tanh"),
    ],
)
def test_mistakes_with_sequences_are_named(torch_: dict[str, Any], keras_: dict[str, Any], cause: str) -> None:
    rows = compare_models(keras_sequences(**keras_), torch_sequences(**torch_)).rows
    assert any(cause in row["diagnosis"] for row in rows if row["verdict"] == "mismatch")


def test_steps_first_as_torch_wants_them_is_no_mistake() -> None:
    import torch
    from torch import nn

    class StepsFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.rnn, self.out = (
                nn.GRU(4, 3, num_layers=2),
                nn.RNN(3, 3, nonlinearity="relu"),
                nn.Linear(3, 2),
            )

        def forward(self, x: Any) -> Any:
            states, _ = self.rnn(self.gru(x)[0])
            return torch.log_softmax(self.out(states[-1]), dim=1)

    def ported(**first: Any) -> Any:
        keras_images()
        import keras
        from keras import layers

        grus = [layers.GRU(3, return_sequences=True, **first), layers.GRU(3, return_sequences=True)]
        rnn = layers.SimpleRNN(3, activation="relu")
        return keras.Sequential([keras.Input((6, 4)), *grus, rnn, layers.Dense(2, activation="softmax")])

    result = compare_models(ported(), StepsFirst())
    assert verdicts(result) == {"match"}
    assert "(T, m, n)" in result.remarks[-1]
    with pytest.raises(BackproofError, match="reset_after False, the reference's gru_l0 True"):
        compare_models(ported(reset_after=False), StepsFirst())


def encoder(batch_first: bool = True) -> Any:
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 3, batch_first=batch_first)
            self.norm, self.conv, self.head = nn.LayerNorm(6), nn.Conv1d(6, 4, 3, padding=1), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            x = self.norm(x + self.attention(x, x, x)[0])
            return self.head(torch.relu(self.conv(x.transpose(1, 2))).mean(-1))

    return Encoder()


def keras_encoder(key_dim: int = 2, heads: int = 3, epsilon: float = 1e-5) -> Any:
    keras_images()
    import keras
    from keras import layers

    x = keras.Input((5, 6))
    y = layers.LayerNormalization(epsilon=epsilon)(x + layers.MultiHeadAttention(heads, key_dim)(x, x))
    y = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3, padding="same", activation="relu")(y))
    return keras.Model(x, layers.Dense(2)(y))


def test_attention_layer_norm_and_one_dimensional_convolution() -> None:
    # The gradient of the keys' bias is 0 but for rounding.
    result = compare_models(encoder(), keras_encoder())
    assert [row["tensor"].rpartition(".")[2] for row in result.rows if row["verdict"] != "match"] in (
        ["b_k"],
        ["b_k"] * 2,
    )


def test_mistakes_around_attention_are_named() -> None:
    with pytest.raises(BackproofError, match=r"key_dim 2, the reference's .* 6"):
        compare_models(encoder(), keras_encoder(key_dim=6))
    wrong = first_wrong(compare_models(encoder(), keras_encoder(key_dim=3, heads=2)))
    assert "heads 3, the reference 2" in wrong["diagnosis"]
    rows = compare_models(encoder(batch_first=False), keras_encoder()).rows
    assert any("with batch_first=True it agrees" in row["diagnosis"] for row in rows if row["verdict"] == "mismatch")


def separable(stride: int = 1, bias: bool = False, last: bool = False) -> Any:
    import torch
    from torch import nn

    class Separable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, stride=stride, padding=1)
            self.deep = nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False)
            self.d, self.p = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=bias), nn.Conv2d(8, 5, 1)
            self.pool, self.up = nn.AdaptiveAvgPool2d(1), nn.ConvTranspose2d(5, 2, 2, stride=2)

        def forward(self, x: Any) -> Any:
            x = self.p(self.d(torch.relu(self.deep(torch.relu(self.stem(x))))))
            return self.up(x) if last else self.pool(x).flatten(1)

    return Separable()


def keras_separable(stride: int = 1, activation: str = "relu", last: bool = False) -> Any:
    keras_images()
    import keras
    from keras import layers

    end = layers.Conv2DTranspose(2, 2, strides=2) if last else layers.GlobalAveragePooling2D()
    return keras.Sequential(
        [
            keras.Input((8, 6, 3)),
            layers.Conv2D(4, 3, strides=stride, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False, activation=activation),
            layers.SeparableConv2D(5, 3, padding="same"),
            end,
        ]
    )


@pytest.mark.parametrize("last", [False, True])
def test_depthwise_separable_and_transposed_convolutions(last: bool) -> None:
    assert verdicts(compare_models(keras_separable(last=last), separable(last=last))) == {"match"}


def test_mistakes_around_convolutions_are_named() -> None:
    # 'same' with a stride pads less in front than behind, torch's padding=1 pads both sides alike.
    for models in ((keras_separable(stride=2), separable(stride=2)), (separable(stride=2), keras_separable(stride=2))):
        wrong = first_wrong(compare_models(*models))
        assert wrong["tensor"].startswith("forward/")
        assert "with stride 2, where 'same' pads less" in wrong["diagnosis"]
    with pytest.raises(BackproofError, match=r"the reference's d has a bias, .*_depthwise has none"):
        compare_models(keras_separable(), separable(bias=True))
    wrong = first_wrong(compare_models(keras_separable(activation="linear"), separable()))
    assert "the output of deep still agrees" in wrong["diagnosis"]


@pytest.mark.parametrize(("permuted", "cause"), [(True, ""), (False, "images are flattened as (c, h, w) in torch")])
def test_weights_carried_over_by_a_function_of_the_user(permuted: bool, cause: str) -> None:
    def copy(model: Any, module: Any) -> None:
        layers = [layer for layer in model.layers if layer.get_weights()]
        layers[0].set_weights(
            [module.conv.weight.detach().numpy().transpose(2, 3, 1, 0), module.conv.bias.detach().numpy()]
        )
        norm = module.norm
        layers[1].set_weights(
            [t.detach().numpy() for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
        )
        hidden = module.hidden.weight.detach().numpy()
        if permuted:
            hidden = hidden.reshape(5, 4, 4, 3).transpose(0, 2, 3, 1).reshape(5, -1)
        layers[2].set_weights([hidden.T, module.hidden.bias.detach().numpy()])
        layers[3].set_weights([module.head.weight.detach().numpy().T, module.head.bias.detach().numpy()])

    result = compare_copied(copy, keras_images(), torch_images())
    wrong = [row for row in result.rows if row["verdict"] != "match"]
    assert [row["tensor"] for row in wrong] == ([] if permuted else ["step0/param/hidden.W"])
    assert all(cause in row["diagnosis"] for row in wrong)


def last_of_lstm() -> tuple[Any, Any]:
    import keras
    from torch import nn

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return keras.Sequential(
        [keras.Input((6, 4)), keras.layers.LSTM(5, name="lstm"), keras.layers.Dense(3, name="head")]
    ), Last()


@pytest.mark.parametrize("summed", [True, False])
def test_both_of_torchs_biases_of_an_lstm_are_carried_over(summed: bool) -> None:
    def copy(model: Any, module: Any) -> None:
        a = {n: t.detach().numpy() for n, t in module.state_dict().items()}
        bias = a["lstm.bias_ih_l0"] + summed * a["lstm.bias_hh_l0"]
        model.layers[0].set_weights([a["lstm.weight_ih_l0"].T, a["lstm.weight_hh_l0"].T, bias])
        model.layers[1].set_weights([a["head.weight"].T, a["head.bias"]])

    result = compare_copied(copy, *last_of_lstm())
    wrong = [row for row in result.rows if row["verdict"] != "match"]
    assert [row["tensor"] for row in wrong] == ([] if summed else ["step0/param/lstm.b"])
    assert all("one of them is left out" in row["diagnosis"] for row in wrong)


@pytest.mark.parametrize(("second", "cause"), [("0", ""), ("b", "it counts twice"), ("", "keeps what it had")])
def test_an_lstm_of_keras_is_carried_into_both_of_torchs_biases(second: str, cause: str) -> None:
    import torch

    def copy(module: Any, model: Any) -> None:
        kernel, recurrent, bias = map(torch.from_numpy, model.layers[0].get_weights())
        weight, b = map(torch.from_numpy, model.layers[1].get_weights())
        state = {"lstm.weight_ih_l0": kernel.T, "lstm.weight_hh_l0": recurrent.T, "lstm.bias_ih_l0": bias}
        other = {"0": 0 * bias, "b": bias}.get(second)
        state |= {} if other is None else {"lstm.bias_hh_l0": other}
        module.load_state_dict(state | {"head.weight": weight.T, "head.bias": b}, strict=False)

    result = compare_copied(copy, *reversed(last_of_lstm()))
    wrong = [row for row in result.rows if row["verdict"] != "match"]
    assert [row["tensor"] for row in wrong] == (["step0/param/lstm.b"] if cause else [])
    assert all(cause in row["diagnosis"] for row in wrong)


def test_the_models_themselves_are_left_as_they_are() -> None:
    keras_model, torch_model = keras_images(), torch_images()
    before = [p.detach().clone() for p in torch_model.parameters()], [w.numpy() for w in keras_model.weights]
    compare_models(keras_model, torch_model)
    assert all((p == q).all() for p, q in zip(torch_model.parameters(), before[0], strict=True))
    assert all((w.numpy() == v).all() for w, v in zip(keras_model.weights, before[1], strict=True))
    assert keras_model.dtype == "float32"


def test_models_of_other_layers_are_refused_with_the_first_that_differs() -> None:
    from torch import nn

    with pytest.raises(BackproofError, match=r"layer 2 with parameters is batchnorm .* in the port \(Keras\), dense"):
        compare_models(keras_images(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(96, 3)))
    with pytest.raises(BackproofError, match="the shape of an input is not known"):
        compare_models(torch_images(), torch_images())
    with pytest.raises(BackproofError, match="both must be models"):
        compare_models(torch_images(), 3)


def test_torch_against_torch_with_a_given_shape() -> None:
    assert verdicts(compare_models(torch_images(), torch_images(), shape=(8, 6, 3))) <= {"match", "vacuous"}
    wrong = first_wrong(compare_models(torch_images(eps=1e-2), torch_images(), shape=(8, 6, 3)))
    assert "epsilon 0.01, the reference 1e-05" in wrong["diagnosis"]
