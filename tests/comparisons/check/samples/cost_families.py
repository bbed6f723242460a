import numpy as np

def cofiCostFunc(params, Y, R, num_users, num_movies, num_features, lambda_=0.0):
    # Unfold the U and W matrices from params
    X = params[:num_movies*num_features].reshape(num_movies, num_features)
    Theta = params[num_movies*num_features:].reshape(num_users, num_features)
    J = 0
    X_grad = np.zeros(X.shape)
    Theta_grad = np.zeros(Theta.shape)
    J = (1 / 2) * np.sum(np.square((X.dot(Theta.T) - Y) * R)) + (lambda_ / 2) * np.sum(np.square(X)) + (lambda_ / 2) * np.sum(np.square(Theta))
    for i in range(R.shape[0]):
        idx = np.where(R[i, :] == 1)[0]
        Theta_temp = Theta[idx, :]
        Y_temp = Y[i, idx]
        X_grad[i, :] = np.dot(np.dot(X[i, :], Theta_temp.T) - Y_temp, Theta_temp) + lambda_ * X[i, :]
    for j in range(R.shape[1]):
        idx = np.where(R[:, j] == 1)[0]
        X_temp = X[idx, :]
        Y_temp = Y[idx, j]
        Theta_grad[j, :] = np.dot(np.dot(X_temp, Theta[j, :]) - Y_temp, X_temp) + lambda_ * Theta[j, :]
    grad = np.concatenate([X_grad.ravel(), Theta_grad.ravel()])
    return J, grad


def loss_GLoVe(W, W_tilde, b, b_tilde, log_co_occurence):
    "Compute the GLoVE loss."
    n,_ = log_co_occurence.shape
    if W_tilde is None and b_tilde is None:
        return np.sum((W @ W.T + b @ np.ones([1,n]) + np.ones([n,1])@b.T - log_co_occurence)**2)
    else:
        return np.sum((W @ W_tilde.T + b @ np.ones([1,n]) + np.ones([n,1])@b_tilde.T - log_co_occurence)**2)

def grad_GLoVe(W, W_tilde, b, b_tilde, log_co_occurence):
    "Return the gradient of GLoVE objective w.r.t W and b."
    n,_ = log_co_occurence.shape
    if not W_tilde is None and not b_tilde is None:
        loss = W @ W_tilde.T + b @ np.ones([1,n]) + np.ones([n,1])@b_tilde.T - log_co_occurence
        grad_W = 2 * loss @ W_tilde
        grad_W_tilde = 2 * loss.T @ W
        grad_b = 2 * loss @ np.ones([n,1])
        grad_b_tilde = 2 * loss.T @ np.ones([n,1])
    else:
        loss = (W @ W.T + b @ np.ones([1,n]) + np.ones([n,1])@b.T - 0.5*(log_co_occurence + log_co_occurence.T))
        grad_W = 4 *(W.T @ loss).T
        grad_W_tilde = None
        grad_b = 4 * (np.ones([1,n]) @ loss).T
        grad_b_tilde = None
    return grad_W, grad_W_tilde, grad_b, grad_b_tilde



def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def neg_sampling_loss(v_c, u_o, U_neg):
    pos = sigmoid(u_o @ v_c)
    neg = sigmoid(-U_neg @ v_c)
    return -np.log(pos) - np.sum(np.log(neg))

def neg_sampling_grad(v_c, u_o, U_neg):
    pos = sigmoid(u_o @ v_c)
    neg = sigmoid(-U_neg @ v_c)
    dv = (pos - 1) * u_o + (1 - neg) @ U_neg
    du_o = (pos - 1) * v_c
    dU_neg = np.outer(1 - neg, v_c)
    return dv, du_o, dU_neg

def glove_loss(w, w_tilde, b, b_tilde, X, x_max=100, alpha=0.75):
    f = np.where(X < x_max, (X / x_max) ** alpha, 1.0)
    diff = w @ w_tilde.T + b[:, None] + b_tilde[None, :] - np.log(X)
    return 0.5 * np.sum(f * diff ** 2)

def glove_gradients(w, w_tilde, b, b_tilde, X, x_max=100, alpha=0.75):
    f = np.where(X < x_max, (X / x_max) ** alpha, 1.0)
    diff = f * (w @ w_tilde.T + b[:, None] + b_tilde[None, :] - np.log(X))
    return diff @ w_tilde, diff.T @ w, diff.sum(axis=1), diff.sum(axis=0)

def linear_svm_loss(w, b, X, y, C=1.0):
    margins = 1 - y * (X @ w + b)
    return 0.5 * w @ w + C * np.sum(np.maximum(0, margins))

def linear_svm_gradient(w, b, X, y, C=1.0):
    active = (1 - y * (X @ w + b)) > 0
    dw = w - C * X[active].T @ y[active]
    db = -C * np.sum(y[active])
    return dw, db
