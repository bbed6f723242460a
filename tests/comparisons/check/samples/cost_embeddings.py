"""Assignment 2: word2vec."""
import numpy as np
from utils.utils import softmax

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def softmaxLossAndGradient(centerVec, outsideIdx, outsideVectors, dataset):
    p = softmax(outsideVectors @ centerVec)
    loss = -np.log(p[outsideIdx])
    p[outsideIdx] -= 1
    gradCenter = outsideVectors.T @ p
    gradOutside = np.outer(p, centerVec)
    return loss, gradCenter, gradOutside

def negSamplingLossAndGradient(centerVec, outsideIdx, outsideVectors, dataset, K=10):
    negatives = [dataset.sampleTokenIdx() for _ in range(K)]
    gradOutside = np.zeros_like(outsideVectors)
    s = sigmoid(outsideVectors[outsideIdx] @ centerVec)
    loss = -np.log(s)
    gradCenter = (s - 1) * outsideVectors[outsideIdx]
    gradOutside[outsideIdx] = (s - 1) * centerVec
    s = sigmoid(-(outsideVectors[negatives] @ centerVec))
    loss -= np.sum(np.log(s))
    gradCenter += (1 - s) @ outsideVectors[negatives]
    np.add.at(gradOutside, negatives, np.outer(1 - s, centerVec))
    return loss, gradCenter, gradOutside
