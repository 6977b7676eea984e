"""What an error of a layer does to the network's output, without labels. TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import tree

from tf_hetero.graph.calls import Call, FlatGraph
from tf_hetero.methods.grouped_convolutions import in_parts


def squared_gradients(
    flat: FlatGraph, widths: Mapping[int, int]
) -> Callable[[list[Any], int], dict[int, Any]]:
    """A function that says how the output follows what some layers make.

    It runs as a graph, from which TensorFlow takes the gradients of kernels away that
    nobody asked for. Run one by one they cost as much as all others together, and
    TensorFlow 2.21's oneDNN kernel for them spoils the heap at some shapes.

    Args:
        flat: the network.
        widths: how many outputs a layer's kernel makes, by the layer's identity; the
            layer has one output, whose last axes these are.

    Returns:
        A function of `(inputs, seed)`; it gives for each layer the sum of `g gᵀ` over
        pictures and positions, g the gradient of the outputs, times random signs, with
        respect to what the layer makes before its activation.
    """
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def squares(inputs: list[Any], seed: Any) -> dict[int, Any]:
        made: list[tuple[int, Any]] = []

        def run(call: Call, values: list[Any]) -> Any:
            results = call.compute(values)
            if id(call.operation) in widths:
                tape.watch(results)
                made.append((id(call.operation), results))
            return results

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            outputs = flat.run(inputs, run)
            total = _projected(flat, tree.flatten(outputs), seed)
        found: dict[int, Any] = {}
        gradients = tape.gradient(total, [output for _, output in made])
        for (layer, output), gradient in zip(made, gradients, strict=True):
            if gradient is not None:
                # An activation inside that gives exactly zero lets nothing through.
                passed = tf.where(output == 0, tf.zeros_like(gradient), gradient)
                rows = tf.cast(tf.reshape(passed, (-1, widths[layer])), tf.float32)
                square = tf.matmul(rows, rows, transpose_a=True)
                found[layer] = found[layer] + square if layer in found else square
        return found

    def run_squares(inputs: list[Any], seed: int) -> dict[int, Any]:
        with in_parts(call.operation for call in flat.calls):
            return squares(inputs, tf.constant(seed))

    return run_squares


def _projected(flat: FlatGraph, outputs: list[Any], seed: Any) -> Any:
    """Outputs times random signs: the square of its gradient is that of all outputs.

    Every output counts by its standard deviation; probabilities by the Fisher metric,
    in which the squared length of a step is four times that of the square roots'.
    """
    import tensorflow as tf

    makers = {tensor.key: call for call in flat.calls for tensor in call.outputs}
    total = tf.constant(0.0)
    for number, tensor in enumerate(tree.flatten(flat.outputs)):
        output = tf.cast(outputs[number], tf.float32)
        if _is_softmax(makers.get(tensor.key)):
            output = 2 * tf.sqrt(output + keras.config.epsilon())
        else:
            deviation = tf.stop_gradient(tf.math.reduce_std(output))
            output = output / tf.where(deviation > 0, deviation, 1.0)
        drawn = tf.random.stateless_uniform(tf.shape(output), tf.stack([seed, number]))
        total += tf.reduce_sum(output * tf.sign(drawn - 0.5))
    return total


def _is_softmax(call: Call | None) -> bool:
    operation = getattr(call, "operation", None)
    if isinstance(operation, keras.layers.Softmax):
        return True
    return getattr(operation, "activation", None) is keras.activations.softmax
