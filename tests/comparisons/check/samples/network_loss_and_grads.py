import numpy as np
class TwoLayerNet(object):
  def __init__(self, input_size, hidden_size, output_size, std=1e-4):
    self.params = {}
    self.params['W1'] = std * np.random.randn(input_size, hidden_size)
    self.params['b1'] = np.zeros(hidden_size)
    self.params['W2'] = std * np.random.randn(hidden_size, output_size)
    self.params['b2'] = np.zeros(output_size)

  def loss(self, X, y=None, reg=0.0):
    W1, b1 = self.params['W1'], self.params['b1']
    W2, b2 = self.params['W2'], self.params['b2']
    N, D = X.shape
    h = np.maximum(0, X.dot(W1) + b1)
    scores = h.dot(W2) + b2
    if y is None:
      return scores
    shift = scores - np.max(scores, axis=1).reshape(-1, 1)
    p = np.exp(shift) / np.sum(np.exp(shift), axis=1).reshape(-1, 1)
    loss = -np.sum(np.log(p[range(N), list(y)])) / N
    loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    grads = {}
    dscores = p.copy()
    dscores[range(N), list(y)] -= 1
    dscores /= N
    grads['W2'] = h.T.dot(dscores) + reg * W2
    grads['b2'] = np.sum(dscores, axis=0)
    dh = dscores.dot(W2.T)
    dh_relu = (h > 0) * dh
    grads['W1'] = X.T.dot(dh_relu) + reg * W1
    grads['b1'] = np.sum(dh_relu, axis=0)
    return loss, grads

  def train(self, X, y, X_val, y_val, learning_rate=1e-3, learning_rate_decay=0.95, reg=1e-5, num_iters=100, batch_size=200, verbose=False):
    num_train = X.shape[0]
    for it in range(num_iters):
      idx = np.random.choice(num_train, batch_size, replace=True)
      loss, grads = self.loss(X[idx], y=y[idx], reg=reg)
      for k in self.params:
        self.params[k] -= learning_rate * grads[k]

  def predict(self, X):
    return np.argmax(self.loss(X), axis=1)
