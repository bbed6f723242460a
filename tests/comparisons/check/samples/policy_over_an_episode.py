"""Policy gradients on a difference of frames: the way back is over an episode, whose frames lie in a global array."""
import numpy as np
import gym

H = 200
gamma = 0.99
D = 80 * 80
resume = False

if resume:
    model = np.load('save.npy', allow_pickle=True).item()
else:
    model = {}
    model['W1'] = np.random.randn(H, D) / np.sqrt(D)
    model['W2'] = np.random.randn(H) / np.sqrt(H)

grad_buffer = {k: np.zeros_like(v) for k, v in model.items()}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def policy_forward(x):
    h = np.dot(model['W1'], x)
    h[h < 0] = 0
    logp = np.dot(model['W2'], h)
    p = sigmoid(logp)
    return p, h


def policy_backward(eph, epdlogp):
    """eph is an array of intermediate hidden states"""
    dW2 = np.dot(eph.T, epdlogp).ravel()
    dh = np.outer(epdlogp, model['W2'])
    dh[eph <= 0] = 0
    dW1 = np.dot(dh.T, epx)
    return {'W1': dW1, 'W2': dW2}


env = gym.make("Pong-v0")
observation = env.reset()
xs, hs, dlogps, drs = [], [], [], []
while True:
    x = observation.astype(float).ravel()
    aprob, h = policy_forward(x)
    action = 2 if np.random.uniform() < aprob else 3
    xs.append(x)
    hs.append(h)
    y = 1 if action == 2 else 0
    dlogps.append(y - aprob)
    observation, reward, done, info = env.step(action)
    drs.append(reward)
    if done:
        epx = np.vstack(xs)
        eph = np.vstack(hs)
        epdlogp = np.vstack(dlogps) * np.vstack(drs)
        grad = policy_backward(eph, epdlogp)
        for k in model:
            grad_buffer[k] += grad[k]
