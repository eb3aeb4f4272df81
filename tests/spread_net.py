"""A network with one fragile value, whose channels' ranges lie three powers of ten apart."""

import numpy as np
from nets import Net

from edgeprune import verify

SPREAD = 24


def spread_net(seed=0, powers=3.0):
    """Two layers of which the first scales its channels and the second scales them back.

    ReLU lets the scale through, so that float arithmetic is as good as without. As one scale for
    the whole map has to hold the largest channel, int8 leaves nothing of the small ones.

    Returns:
        The float file, and the names of the two layers.
    """
    net = Net(seed)
    x = net.conv(net.input(1, 12, 12, 3), 16, kernel=3, stride=2, act="RELU")
    x = net.conv(x, SPREAD, kernel=3, act="RELU")
    wide = net.graph.operators[-1]
    x = net.depthwise(x, act="RELU")
    narrow = net.graph.operators[-1]
    x = net.conv(x, 16, act="RELU")
    x = net.dense(net.mean(x), 10)
    scale = 10 ** net.rng.uniform(0, powers, SPREAD).astype(np.float32)
    scale = scale if powers else np.ones(SPREAD, np.float32)
    _scaled(net, wide, 1, scale.reshape(-1, 1, 1, 1))
    _scaled(net, wide, 2, scale)
    _scaled(net, narrow, 1, 1 / scale)
    names = [net.graph.tensors[op.outputs[0]].name.decode() for op in (wide, narrow)]
    return net.build(x), names


def _scaled(net, op, operand, scale):
    tensor = net.graph.tensors[op.inputs[operand]]
    buffer = net.model.buffers[tensor.buffer]
    values = np.array(buffer.data).view(np.float32).reshape(tensor.shape) * scale
    buffer.data = np.ascontiguousarray(values.astype(np.float32)).reshape(-1).view(np.uint8)


def images(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, 12, 12, 3)).astype(np.float32)


def samples(count=32):
    return [[row[None]] for row in images(count)]


def agreement(tflite, count=300):
    """A scorer: the share of inputs on which a file's largest output is the float file's.

    Outputs count from their means, in standard deviations: of an untrained network one is nearly
    always the largest.
    """
    x = images(count, seed=2)
    dense = verify.answers_of(tflite)(x)[0]
    middle, spread = dense.mean(axis=0), dense.std(axis=0)

    def classes(answers):
        return ((answers - middle) / spread).argmax(axis=1)

    def score(file):
        return float((classes(verify.answers_of(file)(x)[0]) == classes(dense)).mean())

    return score
