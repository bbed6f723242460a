"""Document 003: lecture notes, from the shallow network to word embeddings."""

from __future__ import annotations

import math

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import slope
from scratch import L1, L2, BatchNorm, Conv2D, Dense, LayerState, Residual, bias_and_variance

OUTPUT = "computing the output"
FUNCTIONS = "activation functions"
CHECKING = "gradient check"
SEARCH = "hyper-parameters"
CONVOLUTION = "padding and stride"
NETWORKS = "LeNet-5, AlexNet, VGG-16"
BATCHNORM = "batch normalization"
WORDS = "word embedding"


@claim(
    "003",
    OUTPUT,
    "three inputs, four units: a 4 x 3 matrix W, x a matrix (1 x 3), b (1 x 4)",
    "wrong",
    "x is (3 x 1) and b is (4 x 1)",
)
def shapes() -> Numbers:
    return {"W x with x (3, 1)": str((np.ones((4, 3)) @ np.ones((3, 1))).shape), "with x (1, 3)": "does not fit"}


@claim(
    "003",
    FUNCTIONS,
    "sigmoid: g'(a) = a(1 - a)",
    "unclear",
    "g'(z) = a(1 - a): the derivative with respect to z, written in terms of a",
)
def derivative_in_terms_of_a() -> Numbers:
    def g(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    a = g(0.7)
    return {"a(1 - a)": a * (1 - a), "g'(z)": slope(g, 0.7), "g'(a)": slope(g, a)}


@claim("003", FUNCTIONS, "tanh: g'(z) = 1 - (tanh z)^2", "verified")
def tanh_derivative() -> Numbers:
    return {"off the difference quotient by": abs(1 - math.tanh(0.7) ** 2 - slope(math.tanh, 0.7))}


@claim(
    "003",
    FUNCTIONS,
    "without activation functions a = (w2 w1) x + (w2 b1 + b2) = w'x + b': only a linear function",
    "verified",
)
def linear_without_activation() -> Numbers:
    w1, b1, w2, b2, x = 1.5, 0.3, -2.0, 0.7, 0.9
    return {"two layers": w2 * (w1 * x + b1) + b2, "one": (w2 * w1) * x + (w2 * b1 + b2)}


@claim("003", "bias and variance", "train 15 %, dev 16 %: high bias, not high variance; a train error far below dev's: high variance", "verified",
       "measured against the best possible error: with 15 % for humans too, the first is neither")  # fmt: skip
def reading_two_errors() -> Numbers:
    return {
        "15 % and 16 %": bias_and_variance(0.15, 0.16).partition(":")[0],
        "1 % and 11 %": bias_and_variance(0.01, 0.11).partition(":")[0],
        "15 % and 16 %, best possible 15 %": bias_and_variance(0.15, 0.16, 0.15).partition(":")[0],
    }


@claim("003", "regularisation", "L1 makes some weights 0, and so drops features; L2 does not", "verified",
       "by its constant pull; plain gradient steps leave such a weight trembling around 0 by up to alpha lambda/m")  # fmt: skip
def l1_drops_features() -> Numbers:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 200))
    y = np.array([[3.0, -2.0, 0, 0, 0]]) @ X + 0.1 * rng.standard_normal((1, 200))
    ends = {}
    for penalty in (L1(20.0), L2(20.0)):
        w = np.ones((1, 5))
        for _ in range(4000):
            w = w - 0.01 * ((w @ X - y) @ X.T / 200 + penalty.gradient(w, 200))
        ends[type(penalty).__name__] = float(np.abs(w[0, 2:]).max())
    return {f"{name}: largest weight of three useless features": round(end, 3) for name, end in ends.items()}


@claim(
    "003", "dropout", "keep_prob 0.5: dividing by 0.5 is multiplying by 2, and the expected output stays", "verified"
)
def half_kept() -> Numbers:
    kept = np.random.RandomState(0).rand(1000, 100) < 0.5
    return {"mean of 1 * d": round(float(kept.mean()), 2), "of 2 * d": round(float(2 * kept.mean()), 2)}


@claim("003", "optimisation algorithms", "Adam needs little memory, though more than gradient descent and momentum", "verified",
       "two arrays of each parameter's size, and a counter")  # fmt: skip
def memory_of_the_optimizers() -> Numbers:
    from scratch import Adam, GradientDescent, Momentum

    w = np.zeros(3)
    rules = (GradientDescent(0.1), Momentum(0.1), Adam(0.1))
    return {f"arrays per parameter, {type(rule).__name__}": len(rule.initial_state(w)) for rule in rules}


@claim("003", CHECKING, "a result below 1e-7 is right, below 1e-5 possibly wrong, below 1e-3 usually wrong", "unclear",
       "the last two are lower bounds: above 1e-5 look again, above 1e-3 it is wrong")  # fmt: skip
def thresholds() -> Numbers:
    def f(x: float) -> float:
        return x**3

    exact, approx = 3 * 2.0**2, slope(f, 2.0, 1e-7)
    wrong = exact * 1.01
    return {
        "a right gradient": abs(exact - approx) / (abs(exact) + abs(approx)),
        "one that is off by a hundredth": abs(wrong - approx) / (abs(wrong) + abs(approx)),
    }


@claim(
    "003",
    SEARCH,
    "r = -4 * np.random.rand(-4, 0), alpha = 10^r",
    "wrong",
    "r = -4 * np.random.rand(): the arguments of rand are a shape",
)
def negative_shape() -> Numbers:
    try:
        np.random.RandomState(0).rand(-4, 0)
        raised = "nothing"
    except ValueError as error:
        raised = str(error)
    r = -4 * np.random.RandomState(0).rand(10_000)
    return {
        "as written raises": raised,
        "smallest exponent": round(float(r.min()), 2),
        "largest": round(float(r.max()), 2),
    }


def _positions(n: int, f: int, p: int = 0, s: int = 1) -> int:
    """Counted, not computed: how many times a window of f fits at stride s."""
    return len([start for start in range(-p, n + p, s) if start + f <= n + p])


@claim(
    "003",
    CONVOLUTION,
    "feature map f = n - f + 1, with padding n + 2p - f + 1",
    "verified",
    "f is the filter's size on the right, the map's on the left",
)
def feature_map() -> Numbers:
    return {"counted for n = 6, f = 3": _positions(6, 3), "with p = 1": _positions(6, 3, 1)}


@claim("003", CONVOLUTION, "the kernel's size is usually odd", "verified",
       "so that p = (f - 1)/2 on both sides keeps the size; an even one needs one zero more on one side")  # fmt: skip
def odd_kernels() -> Numbers:
    return {f"p that keeps n = 6, f = {f}": _keeping(6, f) for f in (3, 4, 5)}


def _keeping(n: int, f: int) -> str:
    found = [p for p in range(f) if _positions(n, f, p) == n]
    return str(found[0]) if found else "none"


@claim("003", CONVOLUTION, "with stride (n + 2p - f)/s + 1, rounded down", "verified")
def strided_feature_map() -> Numbers:
    return {
        "counted for n = 7, f = 3, s = 2": _positions(7, 3, 0, 2),
        "n = 8": _positions(8, 3, 0, 2),
        "formula": (8 - 3) // 2 + 1,
    }


@claim(
    "003",
    NETWORKS,
    "LeNet-5: 28x28x6, pool, 10x10x16, pool, fully connected 120, then 85",
    "wrong",
    "84 units (LeCun et al. 1998, layer F6)",
)
def lenet() -> Numbers:
    def parameters(units: int) -> int:
        return (25 + 1) * 6 + (25 * 6 + 1) * 16 + (400 + 1) * 120 + (120 + 1) * units + (units + 1) * 10

    return {"parameters with 84": parameters(84), "with 85": parameters(85)}


@claim("003", NETWORKS, "AlexNet has 60 million parameters", "verified")
def alexnet() -> Numbers:
    convolutions = [(11, 3, 96), (5, 48, 256), (3, 256, 384), (3, 192, 384), (3, 192, 256)]
    dense = [(9216, 4096), (4096, 4096), (4096, 1000)]
    total = sum((k * k * i + 1) * o for k, i, o in convolutions) + sum((i + 1) * o for i, o in dense)
    return {"counted, two groups": total}


@claim(
    "003",
    NETWORKS,
    "VGG-16: each pooling halves height and width, and the channels double each time",
    "unclear",
    "up to 512; the last block stays at 512",
)
def vgg() -> Numbers:
    return {"channels": "64, 128, 256, 512, 512", "sizes": ", ".join(str(224 >> k) for k in range(6))}


@claim(
    "003",
    "convolution over volumes",
    "a filter has as many channels as the image; its parameters are shared by all positions",
    "verified",
)
def shared_parameters() -> Numbers:
    layer = Conv2D(3, 10, 3)
    dense = 32 * 32 * 3 * 30 * 30 * 10
    count = sum(math.prod(shape) for shape in layer.parameter_shapes().values())
    return {"ten 3 x 3 filters on 32 x 32 x 3": count, "a dense layer of the same sizes": dense}


@claim("003", "convolution over volumes", "a value of the map depends on the pixels under the filter alone", "verified")
def sparse_connections() -> Numbers:
    from scratch import Conv2D, LayerState

    layer, x = Conv2D(3, 1, 3), np.ones((1, 8, 8, 3))
    state = LayerState({"W": np.ones((3, 3, 3, 1)), "b": np.zeros(1)})
    y, cache = layer.forward(x, state)
    upstream = np.zeros_like(y)
    upstream[0, 2, 3, 0] = 1
    dx, _ = layer.backward(upstream, state, cache)
    return {"numbers in the image": x.size, "of which one value of the map depends on": int(np.count_nonzero(dx))}


@claim(
    "003", "ResNet", "a[l] is added after the linear part and before the ReLU: a[l+2] = g(z[l+2] + a[l])", "verified"
)
def shortcut_before_the_activation() -> Numbers:
    block = Residual((Dense(2, 2),))
    weights = {"W_main0": np.zeros((2, 2)), "b_main0": np.zeros(2)}
    a = np.array([[0.5, 2.0]])
    z, _ = block.forward(a, LayerState(weights))
    return {"with weights of 0 the block is the identity": str(np.maximum(z, 0)[0].tolist())}


@claim("003", "ResNet", "a block of a single layer does not help: it takes two or more", "verified",
       "before the ReLU one layer with a shortcut is W x + x = (W + I) x: a linear layer again")  # fmt: skip
def one_layer_with_a_shortcut() -> Numbers:
    rng = np.random.default_rng(0)
    W, x = rng.standard_normal((3, 3)), rng.standard_normal((3, 5))
    return {"W x + x and (W + I) x differ by": float(np.abs(W @ x + x - (W + np.eye(3)) @ x).max())}


@claim("003", BATCHNORM, "X_i = X_i - Mean_i / StdDev_i", "wrong", "(X_i - Mean_i) / StdDev_i")
def missing_parentheses() -> Numbers:
    x = 3 + 5 * np.random.default_rng(0).standard_normal(1000)
    as_written, correct = x - x.mean() / x.std(), (x - x.mean()) / x.std()
    return {
        "as written: mean": round(float(as_written.mean()), 3),
        "deviation": round(float(as_written.std()), 3),
        "correct: mean": abs(float(correct.mean())),
        "correct: deviation": float(correct.std()),
    }


@claim("003", BATCHNORM, "every feature is brought to mean 0 and variance 1", "unclear",
       "to variance v/(v + epsilon): epsilon, which keeps a constant feature from dividing by 0, is felt where v is small")  # fmt: skip
def variance_with_epsilon() -> Numbers:
    layer = BatchNorm(2, epsilon=1e-3)
    x = np.array([[1.0, 0.01], [3.0, 0.03], [8.0, 0.08]])
    state = LayerState({"gamma": np.ones(2), "beta": np.zeros(2)}, layer.initial_buffers(), training=True)
    y, _ = layer.forward(x, state)
    return {"of variance 8.7": float(y[:, 0].var()), "of variance 8.7e-4, epsilon 1e-3": float(y[:, 1].var())}


@claim("003", BATCHNORM, "moving = momentum * moving + (1 - momentum) * batch, for mean and variance", "convention",
       "so in the course and Keras; torch's momentum is 1 - momentum, and its running variance averages the unbiased one")  # fmt: skip
def moving_averages() -> Numbers:
    layer, x = BatchNorm(1, momentum=0.9), np.array([[1.0], [3.0], [8.0]])
    state = LayerState({"gamma": np.ones(1), "beta": np.zeros(1)}, layer.initial_buffers(), training=True)
    layer.forward(x, state)
    unbiased = 0.9 * 1 + 0.1 * x.var(ddof=1)
    return {"running variance after a batch of 3": float(state.buffers["running_var"][0]), "torch's": float(unbiased)}


@claim(
    "003",
    BATCHNORM,
    "the moving averages record mean and standard deviation",
    "unclear",
    "mean and variance, as the formula beside it says",
)
def deviation_or_variance() -> Numbers:
    x = np.array([1.0, 3.0, 8.0])
    return {"variance": float(x.var()), "standard deviation": float(x.std())}


@claim(
    "003",
    BATCHNORM,
    "with a large momentum (0.9, 0.99) the present batch has the greater influence",
    "wrong",
    "the present batch has the weight 1 - momentum: the history prevails",
)
def whose_influence() -> Numbers:
    return {"weight of the history": 0.9, "of the present batch": round(1 - 0.9, 2)}


@claim(
    "003",
    BATCHNORM,
    "z_tilde = A_l * gamma + beta",
    "wrong",
    "z_tilde = z_norm * gamma + beta: what is scaled is the normalised z, before the activation",
)
def scaled_activation() -> Numbers:
    z, gamma, beta = 3 + 5 * np.random.default_rng(0).standard_normal(1000), 2.0, 1.0
    normal = (z - z.mean()) / z.std()
    as_written = np.maximum(z, 0) * gamma + beta
    return {
        "deviation, as written": round(float(as_written.std()), 3),
        "correct: deviation = gamma": float((normal * gamma + beta).std()),
    }


@claim("003", WORDS, "one-hot vectors: the product of any two different words is 0", "verified")
def one_hot() -> Numbers:
    eye = np.eye(1000)
    return {"word 3 . word 7": float(eye[3] @ eye[7]), "word 3 . word 3": float(eye[3] @ eye[3])}


@claim("003", WORDS, "e_man - e_woman = e_king - e_?, so e_? = e_king - e_man + e_woman", "verified")
def analogy() -> Numbers:
    man, woman, king = np.random.default_rng(0).standard_normal((3, 4))
    found = king - man + woman
    return {"the equation is off by": float(np.abs((man - woman) - (king - found)).max())}


@claim(
    "003",
    WORDS,
    "sim(u, v) = u^T v / abs(u) * abs(v)",
    "wrong",
    "u^T v / (||u|| ||v||): norms, and both in the denominator",
)
def cosine() -> Numbers:
    u = np.array([3.0, 4.0])
    return {
        "sim(u, u) as written, with norms": float(u @ u / np.linalg.norm(u) * np.linalg.norm(u)),
        "correct": float(u @ u / (np.linalg.norm(u) ** 2)),
    }


@claim(
    "003",
    WORDS,
    "e_w = argmax(e_w, e_king - e_man + e_woman)",
    "unclear",
    "argmax over the words w of sim(e_w, e_king - e_man + e_woman), the three given words left out",
)
def argmax() -> Numbers:
    words = np.array([[1.0, 0.1], [-1.0, 0.1], [1.0, 2.0], [-1.0, 2.0]])  # man, woman, king, queen
    goal = words[2] - words[0] + words[1]
    similarity = words @ goal / np.linalg.norm(words, axis=1) / np.linalg.norm(goal)
    return {"the word found": ("man", "woman", "king", "queen")[int(similarity.argmax())]}
