import random
import math


class NeuralNetwork:
    LEARNING_RATE = 0.5

    def __init__(self, num_inputs, num_hidden, num_outputs, hidden_layer_weights=None, hidden_layer_bias=None,
                 output_layer_weights=None, output_layer_bias=None):
        self.num_inputs = num_inputs
        self.hidden_layer = NeuronLayer(num_hidden, hidden_layer_bias)
        self.output_layer = NeuronLayer(num_outputs, output_layer_bias)
        self.connect(self.hidden_layer, num_inputs, hidden_layer_weights)
        self.connect(self.output_layer, num_hidden, output_layer_weights)

    def connect(self, layer, count, weights):
        weight_num = 0
        for neuron in layer.neurons:
            for _ in range(count):
                neuron.weights.append(weights[weight_num] if weights else random.random())
                weight_num += 1

    def feed_forward(self, inputs):
        return self.output_layer.feed_forward(self.hidden_layer.feed_forward(inputs))

    def train(self, training_inputs, training_outputs):
        self.feed_forward(training_inputs)
        pd_output = [0] * len(self.output_layer.neurons)
        for o, neuron in enumerate(self.output_layer.neurons):
            pd_output[o] = neuron.pd_error_wrt_net_input(training_outputs[o])
        pd_hidden = [0] * len(self.hidden_layer.neurons)
        for h, neuron in enumerate(self.hidden_layer.neurons):
            d_error = 0
            for o in range(len(self.output_layer.neurons)):
                d_error += pd_output[o] * self.output_layer.neurons[o].weights[h]
            pd_hidden[h] = d_error * neuron.pd_output_wrt_net_input()
        for o, neuron in enumerate(self.output_layer.neurons):
            for w in range(len(neuron.weights)):
                neuron.weights[w] -= self.LEARNING_RATE * pd_output[o] * neuron.inputs[w]
        for h, neuron in enumerate(self.hidden_layer.neurons):
            for w in range(len(neuron.weights)):
                neuron.weights[w] -= self.LEARNING_RATE * pd_hidden[h] * neuron.inputs[w]


class NeuronLayer:
    def __init__(self, num_neurons, bias):
        self.bias = bias if bias else random.random()  # shared by the layer, and not trained
        self.neurons = [Neuron(self.bias) for _ in range(num_neurons)]

    def feed_forward(self, inputs):
        return [neuron.calculate_output(inputs) for neuron in self.neurons]


class Neuron:
    def __init__(self, bias):
        self.bias = bias
        self.weights = []

    def calculate_output(self, inputs):
        self.inputs = inputs
        total = sum(x * w for x, w in zip(self.inputs, self.weights)) + self.bias
        self.output = 1 / (1 + math.exp(-total))
        return self.output

    def pd_error_wrt_net_input(self, target_output):
        return -(target_output - self.output) * self.pd_output_wrt_net_input()

    def pd_output_wrt_net_input(self):
        return self.output * (1 - self.output)


nn = NeuralNetwork(2, 2, 2, [0.15, 0.2, 0.25, 0.3], 0.35, [0.4, 0.45, 0.5, 0.55], 0.6)
for i in range(10000):
    nn.train([0.05, 0.1], [0.01, 0.99])
