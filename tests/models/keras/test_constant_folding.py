"""Graphs that ask a converter for more than a board could hold, and such as do not."""

import pytest

from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.models.keras.tf_function import to_tflite


class Late:
    """TensorFlow, imported when a test asks for it and not when tests are collected."""

    def __getattr__(self, name):
        return getattr(import_tensorflow(), name)


tf = Late()


def in_a_loop(x):
    def turn(k, y):
        return k + 1, y + tf.reduce_sum(tf.fill([60_000, 60_000], 1.0))

    return tf.while_loop(lambda k, y: k < 3, turn, [0, x])[1]


HUGE = {
    "fill": lambda x: x + tf.reduce_sum(tf.fill([60_000, 60_000], 1.0)),
    "range": lambda x: x + tf.cast(tf.reduce_sum(tf.range(3_000_000_000)), tf.float32),
    "outer": lambda x: x + tf.reduce_sum(tf.ones([60_000, 1]) * tf.ones([1, 60_000])),
    "of the input": lambda x: tf.reduce_sum(tf.tile(x, [60_000, 60_000])),
    "in a loop": in_a_loop,
}
LONG = {
    "a sum of fills": lambda x: x + tf.reduce_sum(tf.fill([20_000, 20_000], 1.0)),
    "matmul": lambda x: x + tf.reduce_sum(tf.ones([8_000, 8_000]) @ tf.ones([8_000, 8_000])),
    "inverse": lambda x: x + tf.reduce_sum(tf.linalg.inv(tf.eye(6_000))),
    "convolution": lambda x: (
        x
        + tf.reduce_sum(
            tf.nn.conv2d(tf.ones([1, 2000, 2000, 8]), tf.ones([99, 99, 8, 8]), 1, "SAME")
        )
    ),
}


def convert(function):
    with quiet():
        return to_tflite(function, [tf.TensorSpec((1, 4), tf.float32, name="x")])


@pytest.mark.parametrize("name", HUGE)
def test_tensors_that_fit_nowhere_are_refused_before_anything_is_computed(name):
    with pytest.raises(ModelError, match="numbers at once, more than any board could hold"):
        convert(HUGE[name])


@pytest.mark.parametrize("name", LONG)
def test_what_takes_hours_to_compute_beforehand_is_refused(name):
    with pytest.raises(ModelError, match="whatever its inputs are"):
        convert(LONG[name])


def test_weights_that_are_computed_from_weights_and_loops_in_loops_are_converted():
    weights = tf.Variable(tf.random.stateless_normal((4, 300), [1, 2]))

    def inner(x):
        scaled = weights / tf.linalg.norm(weights @ tf.transpose(weights))
        return x + x @ tf.cast(tf.cast(scaled, tf.float64), tf.float32) @ tf.transpose(scaled)

    def outer(x):
        def turn(k, y):
            return k + 1, tf.while_loop(lambda j, z: j < 2, lambda j, z: (j + 1, inner(z)), [0, y])[
                1
            ]

        return tf.while_loop(lambda k, y: k < 2, turn, [0, x])[1]

    assert convert(outer)
