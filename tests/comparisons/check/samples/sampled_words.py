"""Word vectors from a file, in the middle of what reads it."""
import sys

import numpy as np

MAX_EXP = 6
TABLE = 1000
expTable = 1 / (1 + np.exp(-(np.arange(TABLE) / TABLE * 2 - 1) * MAX_EXP))


def lookup_sigmoid(f):
    if f >= MAX_EXP:
        return 1.0
    if f <= -MAX_EXP:
        return 0.0
    return expTable[int((f + MAX_EXP) * (TABLE / MAX_EXP / 2))]


def learn(path, vocab, table, win, neg, dim, alpha, use_cbow):
    syn0 = (np.random.rand(len(vocab), dim) - 0.5) / dim
    syn1neg = np.zeros((len(vocab), dim))
    for line in open(path):
        sentence = [vocab[w] for w in line.split() if w in vocab]
        for position, word in enumerate(sentence):
            b = np.random.randint(1, win + 1)
            context = sentence[max(0, position - b):position] + sentence[position + 1:position + b + 1]
            if use_cbow:
                hidden = np.zeros(dim)
                for c in context:
                    hidden += syn0[c]
                hidden /= len(context)
                error = np.zeros(dim)
                pairs = [(word, 1)] + [(t, 0) for t in table.draw(neg)]
                for target, label in pairs:
                    f = hidden.dot(syn1neg[target])
                    g = (label - lookup_sigmoid(f)) * alpha
                    error += g * syn1neg[target]
                    syn1neg[target] += g * hidden
                for c in context:
                    syn0[c] += error / len(context)
            else:
                for c in context:
                    error = np.zeros(dim)
                    for node, code in zip(vocab.path(word), vocab.code(word)):
                        f = np.dot(syn0[c], syn1neg[node])
                        p = lookup_sigmoid(f)
                        g = alpha * (1 - code - p)
                        error += g * syn1neg[node]
                        syn1neg[node] += g * syn0[c]
                    syn0[c] += error
        sys.stdout.write("\r%d" % position)
    return syn0
