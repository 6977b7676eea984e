"""Masked models: the reference that a stripped model is compared with."""

import keras
import numpy as np

from tf_hetero.flattening import fill
from tf_hetero.tracing import trace

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


def random_inputs(model, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return keras.tree.map_structure(
        lambda x: rng.standard_normal((batch, *x.shape[1:])).astype("float32"),
        model.input,
    )


def random_masks(graph, seed=0, fraction=0.5):
    """About `fraction` of the units of every unfrozen group, at least one."""
    rng = np.random.default_rng(seed)
    masks = {}
    for group in graph.free_groups:
        mask = rng.random(group.size) < fraction
        mask[rng.integers(group.size)] = True
        masks[group.name] = mask
    return masks


def masked_outputs(model, masks, inputs, grouped="auto"):
    """Outputs of the whole model with removed units silenced.

    Kernels get zeros where they read removed units, and layers that normalise
    over channels take their statistics over the surviving ones.
    """
    graph = trace(model, grouped)
    keep = graph.keep(masks)
    sites = {id(site.call): site for site in graph.sites}
    values = {}
    for site in graph.sites:
        for name, weight in site.kernels:
            axis = weight.input_axis
            if axis is None or weight.axes[axis] is None:
                continue
            variable = next(v for v in site.call.weights if v.name == name)
            shape = [1] * len(variable.shape)
            shape[axis] = -1
            zeros = keep[graph.units(weight.axes[axis])].reshape(shape)
            kernel = keras.ops.convert_to_numpy(variable) * zeros
            values[id(variable)] = (variable, keras.ops.convert_to_tensor(kernel))

    def run(call, arguments):
        if isinstance(call.operation, NORMALIZING):
            ids = sites[id(call)].inputs[0]
            return normalized(call.operation, arguments[0], keep[graph.units(ids)].ravel())
        args, kwargs = fill(call, arguments)
        return call.operation(*args, **kwargs)

    with keras.StatelessScope(state_mapping=list(values.values())):
        return graph.flat.run(inputs, run)


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


def assert_equal_outputs(actual, expected, tolerance=1e-5):
    """max|a - b| <= tolerance * max|a|, output by output."""
    for a, b in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert np.abs(b).max() > 0
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()
