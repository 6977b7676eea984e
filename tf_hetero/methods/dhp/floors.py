"""How many units of each group a proximal optimizer leaves alone."""

from typing import Any

from tf_hetero.graph.tracing import trace
from tf_hetero.widths.width_rules import WidthRules


def latent_floors(model: Any, widths: WidthRules | None = None) -> dict[str, int]:
    """How many units of each group a proximal optimizer leaves alone.

    Args:
        model: a hyper model, or its graph.
        widths: the rules; with None every group keeps 4 channels, as in the DHP paper,
            which also keeps at least 40 to 45 % of what the classifier reads.

    Returns:
        `{group name: number of units}` for every unfrozen group.

    Raises:
        ValueError: if a number is out of range or a pattern matches nothing.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(16, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> hyper = tf_hetero.reparameterize(model)
    >>> tf_hetero.latent_floors(hyper, tf_hetero.WidthRules(min_dense_fraction=0.4))
    {'stem': 6}

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1.
    """
    graph = trace(model)
    allowed = (widths or WidthRules(0.0, 0.0, min_channels=4)).allowed_units(graph)
    return {
        group.name: int(counts[0])
        for group, counts in zip(graph.groups, allowed, strict=True)
        if group.frozen is None
    }
