"""t-SNE: a map of many-dimensional points in which neighbours stay neighbours (van der Maaten & Hinton 2008).

In the data, point j is a neighbour of i with probability p_(j|i) = exp(-beta_i d_ij) / sum_(k != i) exp(-beta_i d_ik), where
d_ij = |x_i - x_j|^2. Every point has its own beta_i = 1/(2 sigma_i^2), found by bisection so that it has as many neighbours as
asked for: the perplexity, exp of the entropy

    H_i = -sum_j p_(j|i) log p_(j|i) = log sum_k exp(-beta_i d_ik) + beta_i sum_j p_(j|i) d_ij

falls from n - 1 to 1 as beta_i grows. The joint p_ij = (p_(j|i) + p_(i|j)) / (2n) is symmetric and sums to 1. In the map, with
w_ij = 1 / (1 + |y_i - y_j|^2) and Z = sum_(k != l) w_kl, q_ij = w_ij / Z: Student's t, whose long tails leave room for points
that are no neighbours. The map minimises C = KL(P || Q) = sum_(i != j) p_ij log(p_ij / q_ij).

Derivation of the gradient. C = const - sum p_ij log w_ij + log Z, as the p_ij sum to 1. With u_ij = |y_i - y_j|^2,
dw_ij/du_ij = -w_ij^2, so

    dC/du_ij = p_ij w_ij - w_ij^2 / Z = (p_ij - q_ij) w_ij

and du_ij/dy_i = 2 (y_i - y_j). Point i stands in the ordered pairs (i, j) and (j, i), which are equal, whence

    dC/dy_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j)

With A_ij = (p_ij - q_ij) w_ij that is 4 (diag(A 1) - A) Y: one product instead of n^2 differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scratch.layer import Array, require

BISECTIONS = 64
"""A float64 has 53 bits to halve; the others are for finding an upper end."""


def squared_distances(x: Array) -> Array:
    """(n, d) -> (n, n), |x_i - x_j|^2, with 0 on the diagonal."""
    # Centred first: |a|^2 - 2 a.b + |b|^2 cancels the less, the nearer the points are to the origin.
    x = x - x.mean(axis=0)
    square = (x**2).sum(axis=1)
    # In place: the time goes into passes over n^2 numbers and into fresh memory for them, not into arithmetic.
    distances = x @ x.T
    distances *= -2
    distances += square
    distances += square[:, np.newaxis]
    np.fill_diagonal(distances, 0)
    return np.maximum(distances, 0, out=distances)


def conditional_probabilities(distances: Array, perplexity: float) -> Array:
    """p_(j|i) of every row i, with the perplexity asked for.

    Parameters
    ----------
    distances : ndarray of shape (n, n)
        Squared; the diagonal is not read.
    perplexity : float
        Between 1 and n - 1, both excluded: about the number of neighbours of a point.

    Returns
    -------
    ndarray of shape (n, n)
        Each row sums to 1, with 0 on the diagonal. A point with more equally near neighbours than the perplexity has them
        all, as no beta can tell them apart.
    """
    n = len(distances)
    require(distances.shape == (n, n), f"distances must be square, not {distances.shape}")
    require(1 < perplexity < n - 1, f"perplexity must lie between 1 and {n - 1}, not {perplexity}")
    d = _others(distances)
    # Subtracting the nearest distance changes no probability, and keeps one exponential at 1 however large beta is.
    d = d - d.min(axis=1, keepdims=True)
    mean = d.mean(axis=1, keepdims=True)
    d /= np.where(mean > 0, mean, 1)
    p = np.zeros_like(distances)
    p[~np.eye(n, dtype=bool)] = _gaussian(d, _bisect(d, float(np.log(perplexity))))[0].ravel()
    return p


def joint_probabilities(x: Array, perplexity: float) -> Array:
    """p_ij = (p_(j|i) + p_(i|j)) / (2n) of the points (n, d): (n, n), symmetric, together 1."""
    p = conditional_probabilities(squared_distances(x), perplexity)
    return (p + p.T) / (2 * len(x))


def kl_divergence(p: Array, y: Array) -> tuple[Array, Array]:
    """C = KL(P || Q) of a map, and dC/dY.

    Parameters
    ----------
    p : ndarray of shape (n, n)
        Joint probabilities.
    y : ndarray of shape (n, k)
        The map.

    Returns
    -------
    cost : ndarray of shape ()
    gradient : ndarray of shape (n, k)
    """
    w, q = _student(y)
    # 0 log 0 is 0: a pair without probability costs nothing, however near it lies.
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log(ratio)).sum()), _gradient(p, q, w, y)


@dataclass(frozen=True)
class TSNE:
    """Gradient descent on the KL divergence, with momentum, gains and early exaggeration.

    v := beta v - alpha gain * g;  y := y + v. A coordinate's gain grows by 0.2 while step and gradient agree about the
    direction, and is multiplied by 0.8 when they do not (Jacobs 1988). In the first phase P is multiplied by
    `early_exaggeration` and the momentum is 0.5: clusters contract and can pass between each other; then it is 0.8.

    Parameters
    ----------
    perplexity : float
    learning_rate : float, optional
        alpha; n / early_exaggeration / 4 unless given, but at least 50 (Belkina et al. 2019). Implementations that leave out
        the gradient's factor 4 state rates four times as large.
    early_exaggeration : float
    exaggerated_steps, steps : int
        Steps of the first phase, and of both together.
    """

    perplexity: float = 30.0
    learning_rate: float | None = None
    early_exaggeration: float = 12.0
    exaggerated_steps: int = 250
    steps: int = 1000

    def __post_init__(self) -> None:
        require(self.learning_rate is None or self.learning_rate > 0, "learning_rate must be positive")
        require(self.early_exaggeration >= 1, f"early_exaggeration must be at least 1, not {self.early_exaggeration}")
        require(0 <= self.exaggerated_steps <= self.steps, "exaggerated_steps must lie between 0 and steps")

    def fit(self, x: Array, initial: Array) -> tuple[Array, float]:
        """Map the points.

        Parameters
        ----------
        x : ndarray of shape (n, d)
        initial : ndarray of shape (n, k)
            First map, small: `initial_map` or random of standard deviation 1e-4. Its dtype is that of the map.

        Returns
        -------
        y : ndarray of shape (n, k)
        cost : float
            KL divergence of y.
        """
        require(len(initial) == len(x), f"{len(x)} points, but {len(initial)} rows in the first map")
        p = joint_probabilities(x, self.perplexity).astype(initial.dtype)
        alpha = self.learning_rate or max(len(x) / self.early_exaggeration / 4, 50.0)
        early = self.exaggerated_steps
        y = _descend(self.early_exaggeration * p, initial, early, alpha, 0.5)
        y = _descend(p, y, self.steps - early, alpha, 0.8)
        return y, float(kl_divergence(p, y)[0])


def initial_map(x: Array, k: int = 2) -> Array:
    """(n, d) -> (n, k): the first principal components, scaled so that the first has standard deviation 1e-4.

    The far order of the data survives in it, and no random number is needed.
    """
    require(0 < k <= min(x.shape), f"initial_map: points of shape {x.shape} have no {k} components")
    u, s, vt = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    # The sign of a component is free: its largest loading is made positive, so that every LAPACK gives the same map.
    sign = np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(axis=1)])
    scores = u[:, :k] * s[:k] * sign
    deviation = scores[:, 0].std()
    require(bool(deviation > 0), "initial_map: all points are the same")
    return scores * (np.asarray(1e-4, x.dtype) / deviation)


def _others(distances: Array) -> Array:
    """(n, n) -> (n, n - 1), every row without its diagonal element."""
    n = len(distances)
    return distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)


def _gaussian(d: Array, beta: Array) -> tuple[Array, Array]:
    """p_(j|i) of shape (n, n - 1) and the entropies (n, 1), for beta of shape (n, 1)."""
    e = np.exp(-beta * d)
    total = e.sum(axis=1, keepdims=True)
    p = e / total
    return p, np.log(total) + beta * (p * d).sum(axis=1, keepdims=True)


def _bisect(d: Array, entropy: float) -> Array:
    """beta (n, 1) of all rows at once: doubled until the entropy is too small, then halved in between."""
    low = np.zeros((len(d), 1), d.dtype)
    high = np.full_like(low, np.inf)
    beta = np.ones_like(low)
    for _ in range(BISECTIONS):
        too_wide = _gaussian(d, beta)[1] > entropy
        low, high = np.where(too_wide, beta, low), np.where(too_wide, high, beta)
        beta = np.where(np.isinf(high), 2 * low, (low + high) / 2)
    return beta


def _student(y: Array) -> tuple[Array, Array]:
    """w_ij, with 0 on the diagonal, and q_ij."""
    w = squared_distances(y)
    w += 1
    np.reciprocal(w, out=w)
    np.fill_diagonal(w, 0)
    return w, w / w.sum()


def _gradient(p: Array, q: Array, w: Array, y: Array) -> Array:
    a = p - q
    a *= w
    return 4 * (a.sum(axis=1, keepdims=True) * y - a @ y)


def _descend(p: Array, y: Array, steps: int, alpha: float, momentum: float) -> Array:
    """`steps` steps from y with fresh velocity and gains; `p` may be exaggerated, the descent needs no cost."""
    velocity, gain = np.zeros_like(y), np.ones_like(y)
    for _ in range(steps):
        w, q = _student(y)
        g = _gradient(p, q, w, y)
        gain = np.maximum(np.where(velocity * g < 0, gain + 0.2, gain * 0.8), 0.01)
        velocity = momentum * velocity - alpha * gain * g
        y = y + velocity
    return y
