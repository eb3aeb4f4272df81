import numpy as np
from nets import Net

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset


def dense_net(units=3):
    net = Net()
    return net.build(net.dense(net.input(1, 4), units))


def scored(x, y, tflite):
    return verify.accuracy(tflite, Dataset(None, None, x, y, "test"))


def test_accuracy_is_the_share_of_right_labels():
    tflite = dense_net()
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    labels = np.array(
        [verify.HostModel(tflite, reference=True)([row[None]])[0].argmax() for row in x]
    )
    assert scored(x, labels, tflite).value == 1.0
    labels[:10] = (labels[:10] + 1) % 3
    found = scored(x, labels, tflite)
    assert (found.metric, found.value, found.samples) == ("top1", 0.75, 40)


def test_a_model_that_reproduces_its_input_is_scored_without_labels():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 4)))
    x = np.array([[1, 2, 3, -4]], np.float32)
    found = scored(x, None, tflite)
    assert (found.metric, found.value) == ("mse", 4.0)
    assert scored(x, None, dense_net()) is None
