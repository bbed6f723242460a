"""IMDB sentiment with an LSTM: Keras' example, and the same in PyTorch."""
from keras.models import Sequential
from keras.layers import Embedding, LSTM, Dense, SpatialDropout1D, Input
import torch
import torch.nn as nn

max_features = 200
maxlen = 12


def get_model():
    model = Sequential()
    model.add(Input(shape=(maxlen,)))
    model.add(Embedding(max_features, 16))
    model.add(SpatialDropout1D(0.2))
    model.add(LSTM(10))
    model.add(Dense(1, activation='sigmoid'))
    model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['accuracy'])
    return model


class SentimentLSTM(nn.Module):
    def __init__(self, vocab_size, embed_dim, hidden_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.dropout = nn.Dropout2d(0.2)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, batch_first=True)
        self.fc = nn.Linear(hidden_dim, 1)

    def forward(self, x):
        x = self.embedding(x)
        x = x.permute(0, 2, 1).unsqueeze(3)
        x = self.dropout(x).squeeze(3).permute(0, 2, 1)
        output, (hidden, cell) = self.lstm(x)
        return torch.sigmoid(self.fc(hidden[-1]))


def train_epoch(model, iterator, optimizer):
    criterion = nn.BCELoss()
    model.train()
    for text, label in iterator:
        optimizer.zero_grad()
        loss = criterion(model(text).squeeze(1), label.float())
        loss.backward()
        optimizer.step()


if __name__ == '__main__':
    model = SentimentLSTM(max_features, 16, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
