"""Whether a model shrinks as it should: a proof for models and rules of your own.

The reference that a stripped model is compared with is the whole model, masked.
Nothing here resizes or slices. A unit is removed by putting zeros where kernels
read it, so that agreement with `strip` says something.

May import everything but `cli`.
"""

import keras
import numpy as np

from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.channel_ids import output_ids
from tf_hetero.graph.channels import along
from tf_hetero.graph.keras_internals import structures
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.stripping import strip

layers = keras.layers
NORMALIZING = (
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.GroupNormalization,
)


def randomize(model, seed=0):
    """Random statistics, scales and biases; fresh ones hide mistakes."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name in ("mean", "variance"):  # of Normalization: constants
            continue
        if variable.name in ("moving_variance", "gamma", "scale"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1 or variable.name == "alpha":
            variable.assign(0.1 * rng.standard_normal(variable.shape))
    return model


def random_inputs(model, batch=2, seed=0, length=32):
    """Noise in the structure of the model's inputs, 0 and 1 where these are integers.

    Axes that the model leaves open are `length` long.
    """
    rng = np.random.default_rng(seed)

    def noise(tensor):
        shape = (batch, *(length if n is None else n for n in tensor.shape[1:]))
        if keras.backend.is_float_dtype(tensor.dtype):
            return rng.standard_normal(shape).astype("float32")
        return rng.integers(0, 2, shape).astype(tensor.dtype)

    return keras.tree.map_structure(noise, structures(model)[0])


def random_masks(graph, seed=0, fraction=0.5):
    """About `fraction` of the units of every unfrozen group, at least one.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> from tf_hetero import testing
    >>> masks = testing.random_masks(tf_hetero.trace(model), fraction=0.5)
    >>> masks["stem"].shape
    (4,)
    """
    rng = np.random.default_rng(seed)
    masks = {}
    for group in graph.free_groups:
        mask = rng.random(group.size) < fraction
        mask[rng.integers(group.size)] = True
        masks[group.name] = mask
    return masks


def check_masked_equals_stripped(
    model, masks=None, inputs=None, tolerance=1e-5, seed=0
) -> float:
    """Removes units and compares with the whole model in which they are silent.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph. Give it
            weights away from their initial values (`randomize`): ones and zeros hide
            mistakes. Its outputs should be logits: a softmax hides them, too.
        masks: as for `strip`; about half of the units of each group if None.
        inputs: a batch of inputs; noise if None.
        tolerance: the largest difference that is let through, relative to the largest
            output.
        seed: of masks and noise.

    Returns:
        The difference.

    Raises:
        AssertionError: if it is larger than the tolerance, with what to look for.

    Example:

    >>> import keras, tf_hetero
    >>> from tf_hetero import testing
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = testing.randomize(keras.Model(inputs, keras.layers.Dense(2)(x)))
    >>> testing.check_masked_equals_stripped(model) <= 1e-5
    True
    """
    graph = trace(model)
    masks = random_masks(graph, seed) if masks is None else masks
    inputs = random_inputs(graph.model, seed=seed) if inputs is None else inputs
    # Without `training=False` a layer inside may say otherwise for those after it.
    stripped = strip(graph, masks)(inputs, training=False)
    found = difference(stripped, masked_outputs(graph, masks, inputs))
    if not found <= tolerance:
        kept = {name: f"{int(mask.sum())} of {len(mask)}" for name, mask in masks.items()}
        raise AssertionError(
            "A stripped model must compute what the whole one computes with the removed "
            f"units silenced. Received: outputs that differ by {found:.1e} of the largest, "
            f"keeping {kept}. A rule of a layer that these channels meet names the wrong "
            "channels; print(tf_hetero.trace(model)) shows what was found."
        )
    return found


def masked_outputs(model, masks, inputs):
    """Outputs of the whole model with removed units silenced.

    Kernels get zeros where they read removed units, and layers that normalise
    over channels take their statistics over the surviving ones. Removed channels of
    outputs, where these are free, are left out.
    """
    graph = trace(model)
    keep = graph.keep(masks)
    sites = {id(site.call): site for site in graph.sites}
    values = {}
    for site in graph.sites:
        for name, weight in site.kernels:
            axis = weight.input_axis
            ids = None if axis is None else weight.axes[axis]
            if axis is None or ids is None:
                continue
            variable = site.variable(name)
            shape = [1] * len(variable.shape)
            shape[axis] = -1
            zeros = keep[graph.units(ids)].reshape(shape)
            kernel = site.call.value(name) * zeros
            values[id(variable)] = (variable, keras.ops.convert_to_tensor(kernel))

    def run(call, arguments):
        if isinstance(call.operation, NORMALIZING):
            ids = along(sites[id(call)].inputs[0], -1)
            whole = np.ones(arguments[0].shape[-1], bool)
            kept = whole if ids is None else keep[graph.units(ids)]
            return normalized(call.operation, arguments[0], kept)
        return call.compute(arguments)

    def kept_channels(value, ids):
        ids, value = along(ids, -1), keras.ops.convert_to_numpy(value)
        return value if ids is None else value[..., keep[graph.units(ids)]]

    with keras.StatelessScope(state_mapping=list(values.values())):
        outputs = graph.flat.run(input_tensors(graph.flat, inputs), run)
    kept = map(kept_channels, keras.tree.flatten(outputs), output_ids(graph))
    return keras.tree.pack_sequence_as(outputs, list(kept))


def normalized(layer, x, keep):
    """LayerNormalization and its kin over the kept channels of the last axis."""
    if isinstance(layer, layers.GroupNormalization) and layer.groups != 1:
        return layer(x)
    x = np.asarray(x, np.float64)
    kept = x[..., keep]
    whole = isinstance(layer, layers.GroupNormalization)
    axes = tuple(range(1, x.ndim)) if whole else (-1,)
    if isinstance(layer, layers.RMSNormalization):
        y = x / np.sqrt((kept**2).mean(axes, keepdims=True) + layer.epsilon)
        return (y * np.asarray(layer.scale)).astype("float32")
    mean = kept.mean(axes, keepdims=True)
    variance = kept.var(axes, keepdims=True)
    y = (x - mean) / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        y = y * keras.ops.convert_to_numpy(layer.gamma)
    if layer.center:
        y = y + keras.ops.convert_to_numpy(layer.beta)
    return y.astype("float32")


def difference(actual, expected):
    """max|a - b| / max|b|, the largest over all outputs.

    Raises:
        ValueError: if shapes differ, or an output is all zero or not finite, which
            would prove nothing.

    Example:

    >>> import numpy as np
    >>> from tf_hetero import testing
    >>> testing.difference(np.array([1.0, 4.0]), np.array([1.0, 5.0]))
    0.2
    """
    worst = 0.0
    pairs = zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True)
    for a, b in pairs:
        a, b = (keras.ops.convert_to_numpy(value).astype(np.float64) for value in (a, b))
        size = np.abs(b).max(initial=0.0)
        if a.shape != b.shape or not 0 < size < np.inf:
            raise ValueError(
                "Outputs to compare must have one shape and be finite and not all zero. "
                f"Received: shapes {a.shape} and {b.shape}, largest value {size}."
            )
        worst = max(worst, float(np.abs(a - b).max() / size))
    return worst
