import numpy as np
def sigmoid(x): return 1/(1+np.exp(-x))
def main():
    X = np.array([[0,0],[0,1],[1,0],[1,1]], dtype=float)
    Y = np.array([[0],[1],[1],[0]], dtype=float)
    W1 = np.random.randn(2, 3); b1 = np.zeros((1, 3))
    W2 = np.random.randn(3, 1); b2 = np.zeros((1, 1))
    for epoch in range(5000):
        A1 = np.tanh(X @ W1 + b1)
        A2 = sigmoid(A1 @ W2 + b2)
        dZ2 = A2 - Y
        dW2 = A1.T @ dZ2
        db2 = dZ2.sum(axis=0)
        dZ1 = dZ2 @ W2.T * (1 - A1**2)
        dW1 = X.T @ dZ1
        db1 = dZ1.sum(axis=0)
        W1 -= 0.1 * dW1; b1 -= 0.1 * db1
        W2 -= 0.1 * dW2; b2 -= 0.1 * db2
    print(A2)
if __name__ == "__main__":
    main()
