"""TensorFlow Model Optimization: quantization-aware training, pruning, clustering.

TFMOT takes models of tf_keras alone. The functions here take Keras 3 models, build
them again there with `to_tf_keras`, and give back what TFMOT makes of them.
"""

import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

from tf_hetero.extras import needed
from tf_hetero.graph.patterns import matching
from tf_hetero.tfmot.errors import unquantizable
from tf_hetero.tfmot.models import to_tf_keras

__all__ = [
    "cluster_weights",
    "import_tfmot",
    "prune_weights",
    "quantization_aware",
    "strip_wrappers",
    "to_tf_keras",
]

LEGACY = "TF_USE_LEGACY_KERAS"
# Layers whose kernels TFMOT prunes; it clusters those of one more.
PRUNED = {
    *("Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Dense"),
    *("SeparableConv1D", "SeparableConv2D"),
}
CLUSTERED = {*PRUNED, "Conv1DTranspose"}


def import_tfmot() -> Any:
    """Imports TensorFlow Model Optimization, and nothing else changes.

    A plain `import tensorflow_model_optimization` sets the environment variable
    `TF_USE_LEGACY_KERAS`, so that from then on `tf.keras` means Keras 2, here and in
    every process that is started. This import leaves both as they were. Take it
    for schedules, callbacks and scopes.

    Returns:
        The module.

    Raises:
        ImportError: if the package cannot be imported.

    Example:

    >>> from tf_hetero.tfmot import import_tfmot
    >>> tfmot = import_tfmot()
    >>> schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, 1000, 5000)
    """
    import tensorflow as tf

    needed("tf_keras", "tfmot", "tf_hetero.tfmot")  # makes some lazy modules anew

    for module in (tf, tf.compat.v1, tf.compat.v2):
        operator.attrgetter("keras.layers")(module)  # decides now which Keras it means
    before = os.environ.get(LEGACY)
    try:
        tfmot = needed("tensorflow_model_optimization", "tfmot", "tf_hetero.tfmot")
    finally:
        os.environ.pop(LEGACY, None)
        if before is not None:
            os.environ[LEGACY] = before
    return tfmot


def quantization_aware(model: Any) -> Any:
    """Makes a model that learns to be rounded to 8-bit integers.

    Kernels and activations are rounded as LiteRT's integer kernels do, in the forward
    pass; gradients go past the rounding. The ranges of the activations start at ±6
    and are measured while it trains, so at least some steps of training are needed.
    Afterwards LiteRT's converter, with `tf.lite.Optimize.DEFAULT`, makes an integer
    model of it, and needs no examples for that.

    Args:
        model: a trained Keras 3 model as for `to_tf_keras`, or a functional
            `tf_keras.Model`. It is not changed.

    Returns:
        An uncompiled `tf_keras.Model`, whose layers are wrapped (`quant_` before the
        names) and whose BatchNormalization is still trained. Compile it with
        optimizers and losses of tf_keras, or their names. To load it once saved
        takes `import_tfmot().quantization.keras.quantize_scope()`.

    Raises:
        ValueError: as `to_tf_keras`, or if TFMOT cannot quantize a layer, with its
            name: Rescaling and Normalization, BatchNormalization that does not
            follow a convolution or Dense layer, hard-swish, Multiply.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tfmot import quantization_aware
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = quantization_aware(keras.Model(inputs, keras.layers.Dense(2)(x)))
    >>> model.compile("sgd", "mse")
    >>> x, y = np.ones((4, 8, 8, 3)), np.ones((4, 2))
    >>> history = model.fit(x, y, verbose=0)

    References:
        - Quantization and Training of Neural Networks for Efficient
          Integer-Arithmetic-Only Inference.
    """
    quantize = import_tfmot().quantization.keras.quantize_model
    rebuilt = _in_tf_keras(model)
    try:
        return quantize(rebuilt)
    except (RuntimeError, ValueError) as error:
        raise unquantizable(rebuilt, quantize, error) from error


def prune_weights(model: Any, schedule: Any = 0.5, exclude: Sequence[str] = ()) -> Any:
    """Makes a model whose smallest weights become zero while it trains.

    Pruned are the kernels of convolutions and Dense layers, of separable ones the
    pointwise kernel. **Depthwise kernels stay whole**, as TFMOT has it, and so do
    biases and normalisation.

    Args:
        model: a trained Keras 3 model as for `to_tf_keras`, or a functional
            `tf_keras.Model`, which then shares its layers with the result.
        schedule: the fraction of zeros in each kernel, above 0 and below 1, from
            the first step on; or a schedule of TFMOT such as
            `import_tfmot().sparsity.keras.PolynomialDecay(...)`.
        exclude: regular expressions for names of layers that stay whole.

    Returns:
        An uncompiled `tf_keras.Model`. Compile it with optimizers and losses of
        tf_keras, or their names, and fit it with the callback
        `import_tfmot().sparsity.keras.UpdatePruningStep()`, without which TFMOT
        refuses to train. Then give it to `strip_wrappers`.

    Raises:
        ValueError: as `to_tf_keras`, or if `schedule` is neither, a pattern matches
            nothing, or nothing is left to prune.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tfmot import import_tfmot, prune_weights, strip_wrappers
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="relu", name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> pruned = prune_weights(model, 0.75, exclude=["head"])
    >>> pruned.compile("sgd", "mse")
    >>> callbacks = [import_tfmot().sparsity.keras.UpdatePruningStep()]
    >>> x, y = np.ones((4, 8, 8, 3)), np.ones((4, 2))
    >>> history = pruned.fit(x, y, verbose=0, callbacks=callbacks)
    >>> float((strip_wrappers(pruned).get_layer("stem").get_weights()[0] == 0).mean())
    0.75

    References:
        - To prune, or not to prune: exploring the efficacy of pruning for model
          compression.
    """
    sparsity = import_tfmot().sparsity.keras
    if isinstance(schedule, (int, float)) and 0 < schedule < 1:
        # Its steps count from 1, and 0 would mean the hundredth.
        schedule = sparsity.ConstantSparsity(schedule, begin_step=1)
    if not isinstance(schedule, sparsity.PruningSchedule):
        raise ValueError(
            "`schedule` must be a fraction above 0 and below 1 or a PruningSchedule of "
            f"TFMOT. Received: {schedule!r}"
        )

    def wrap(layer: Any) -> Any:
        return sparsity.prune_low_magnitude(layer, schedule)

    return _wrapped(_in_tf_keras(model), wrap, PRUNED, exclude)


def cluster_weights(model: Any, clusters: int = 16, exclude: Sequence[str] = ()) -> Any:
    """Makes a model whose kernels hold only a few different numbers.

    Clustered are the kernels of convolutions and Dense layers, of separable ones the
    pointwise kernel; those with no more than `clusters` weights are left out.
    **Depthwise kernels stay as they are**, as TFMOT has it, and so do biases and
    normalisation.

    Args:
        model: a trained Keras 3 model as for `to_tf_keras`, or a functional
            `tf_keras.Model`, which then shares its layers with the result.
        clusters: how many values a kernel may hold, at least 2.
        exclude: regular expressions for names of layers that stay as they are.

    Returns:
        An uncompiled `tf_keras.Model`, which trains the shared values. Compile it with
        optimizers and losses of tf_keras, or their names, with a small learning
        rate. Then give it to `strip_wrappers`.

    Raises:
        ValueError: as `to_tf_keras`, or if `clusters` is below 2, a pattern matches
            nothing, or nothing is left to cluster.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tfmot import cluster_weights, strip_wrappers
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="relu", name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> clustered = cluster_weights(model, 8, exclude=["head"])
    >>> clustered.compile("sgd", "mse")
    >>> x, y = np.ones((4, 8, 8, 3)), np.ones((4, 2))
    >>> history = clustered.fit(x, y, verbose=0)
    >>> len(np.unique(strip_wrappers(clustered).get_layer("stem").get_weights()[0])) <= 8
    True

    References:
        - Deep Compression: Compressing Deep Neural Networks with Pruning, Trained
          Quantization and Huffman Coding, section 3.
    """
    if isinstance(clusters, bool) or not isinstance(clusters, int) or clusters < 2:
        raise ValueError(
            f"`clusters` must be an integer of at least 2. Received: {clusters!r}"
        )
    cluster = import_tfmot().clustering.keras.cluster_weights
    rebuilt = _in_tf_keras(model)
    small = {layer.name for layer in rebuilt.layers if _kernel_size(layer) <= clusters}

    def wrap(layer: Any) -> Any:
        return layer if layer.name in small else cluster(layer, clusters)

    return _wrapped(rebuilt, wrap, CLUSTERED, exclude)


def strip_wrappers(model: Any) -> Any:
    """Takes off what `prune_weights` or `cluster_weights` put around the layers.

    Args:
        model: what one of them returned, trained.

    Returns:
        A `tf_keras.Model` of stock layers with the zeros or the few values in its
        kernels. It shares layers with `model`.

    Raises:
        ValueError: if no layer is wrapped, or nothing was pruned yet. A model of
            `quantization_aware` is converted as it is: its wrappers hold the ranges.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tfmot import cluster_weights, strip_wrappers
    >>> inputs = keras.Input((8,))
    >>> model = keras.Model(inputs, keras.layers.Dense(4, name="head")(inputs))
    >>> stripped = strip_wrappers(cluster_weights(model, 3))  # after training, that is
    >>> len(np.unique(stripped.get_layer("head").get_weights()[0]))
    3
    """
    kinds = {type(layer).__name__ for layer in getattr(model, "layers", ())}
    tfmot = import_tfmot()
    if "PruneLowMagnitude" in kinds:
        _check_pruned(model)
        return tfmot.sparsity.keras.strip_pruning(model)
    if "ClusterWeights" in kinds:
        return tfmot.clustering.keras.strip_clustering(model)
    raise ValueError(
        "`model` must come from prune_weights or cluster_weights. Received: "
        f"{type(model).__name__} with layers of {sorted(kinds)}. A model of "
        "quantization_aware is converted to LiteRT as it is."
    )


def _check_pruned(model: Any) -> None:
    """TFMOT strips a model, too, in which its schedule has not begun."""
    wrapped = [x for x in model.layers if type(x).__name__ == "PruneLowMagnitude"]
    masks = [mask.numpy() for layer in wrapped for _, mask, _ in layer.pruning_vars]
    if all(mask.all() for mask in masks):
        raise ValueError(
            "A pruned model must be trained until its schedule has begun. Received: a "
            "model in which nothing is pruned. Fit it for more steps, with the callback "
            "UpdatePruningStep()."
        )


def _in_tf_keras(model: Any) -> Any:
    """A tf_keras model itself, any other one built again."""
    tf_keras = needed("tf_keras", "tfmot", "tf_hetero.tfmot")

    return model if isinstance(model, tf_keras.Model) else to_tf_keras(model)


def _wrapped(
    model: Any, wrap: Callable[[Any], Any], kinds: set[str], exclude: Sequence[str]
) -> Any:
    """The tf_keras model with `wrap` around its layers of these classes."""
    tf_keras = needed("tf_keras", "tfmot", "tf_hetero.tfmot")

    names = {layer.name for layer in model.layers if type(layer).__name__ in kinds}
    left = names - matching(exclude, {n: (n,) for n in sorted(names)}, "exclude", "a layer")
    if not left:
        raise ValueError(
            f"`model` must have a layer of {sorted(kinds)} that is not excluded. "
            f"Received: {sorted(names)}, exclude={list(exclude)}."
        )
    return tf_keras.models.clone_model(
        model, clone_function=lambda layer: wrap(layer) if layer.name in left else layer
    )


def _kernel_size(layer: Any) -> int:
    kernel = getattr(layer, "pointwise_kernel", getattr(layer, "kernel", None))
    return 0 if kernel is None else int(kernel.shape.num_elements())
