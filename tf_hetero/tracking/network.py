"""DiMP: a backbone whose features find an object and measure boxes around it."""

from typing import Any

import keras
from keras import ops

from tf_hetero.graph.arguments import check_whole
from tf_hetero.tracking.box_regression import (
    comparison_network,
    modulation_network,
    overlap_network,
)
from tf_hetero.tracking.correlation import correlate
from tf_hetero.tracking.losses import HingeLikeLoss
from tf_hetero.tracking.target_model import TargetModelPredictor

layers = keras.layers

_CLASSIFICATION_WEIGHT = 100.0  # beta of the paper
_DEVIATION = 0.25  # of labels, in sides of the target


@keras.saving.register_keras_serializable("tf_hetero")
class DiMP(keras.Model):
    """A tracker's network on any backbone, with heads as wide as what they read.

    Crops are squares of `area` times the target's side (the root of its box's area). All
    widths that meet the backbone are taken from its outputs.

    Args:
        backbone: a functional `keras.Model` from pictures of a fixed square size, with
            values from 0 to 255, to shallow and deep features: two outputs, the second
            half as fine as the first or equally fine.
        area: side of the crops, in sides of the target.
        filter_size: cells of the deep features that the target's filter takes a side.
        width: channels of the features that the filter reads.
        overlap_width: channels of the box regression.
        iterations: steps of steepest descent in training.
        **kwargs: of `keras.Model`.

    Input shape:
        A dict of `train_frames` `(batch, n, side, side, 3)` with `train_boxes`
        `(batch, n, 4)`, and `test_frames` `(batch, m, side, side, 3)` with
        `candidates` `(batch, m, boxes, 4)`; boxes `x, y, w, h` in pixels of the crops.

    Output shape:
        A dict of `scores` `(batch, iterations + 1, m, rows, columns)` and `overlaps`
        `(batch, m, boxes)`.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tracking.network import DiMP
    >>> inputs = keras.Input((64, 64, 3))
    >>> x = keras.layers.Conv2D(7, 3, 4, "same", activation="relu")(inputs)
    >>> y = keras.layers.Conv2D(9, 3, 2, "same", activation="relu")(x)
    >>> network = DiMP(keras.Model(inputs, [x, y]), width=8, overlap_width=8)
    >>> network.grid.rows  # 8 cells, a filter of an even size
    9

    References:
        - Learning Discriminative Model Prediction for Tracking.
        - ATOM: Accurate Tracking by Overlap Maximization, section 3.1 (the box regression).
    """

    def __init__(
        self,
        backbone: keras.Model,
        area: float = 5.0,
        filter_size: int = 4,
        width: int = 512,
        overlap_width: int = 256,
        iterations: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_whole(1, filter_size=filter_size, width=width, overlap_width=overlap_width)
        shapes, strides = _feature_shapes(backbone)
        self.backbone, self.area, self.filter_size = backbone, area, filter_size
        self.width, self.overlap_width, self.iterations = width, overlap_width, iterations
        self.side, self.stride = backbone.input_shape[1], strides[1]
        self.deviation = _DEVIATION * self.side / (area * self.stride)  # in cells
        self.classification = _classification(shapes[1], width, filter_size)
        self.predictor = TargetModelPredictor(
            filter_size, self.stride, self.deviation, iterations, name="predictor"
        )
        cells = self.classification.output_shape[1:]
        self.predictor.build((None, None, *cells))
        self.modulation = modulation_network(shapes, strides, overlap_width)
        self.comparison = comparison_network(shapes, overlap_width)
        compared = [shape[1:] for shape in self.comparison.output_shape]
        self.overlap = overlap_network(compared, strides, overlap_width)
        self.grid = self.predictor.grid(cells[:2])
        self.built = True

    def call(self, inputs, training=False):
        train = self.features(inputs["train_frames"])
        test = self.features(inputs["test_frames"])
        known, asked = (
            self.scored_features(deep, training=training) for _, deep in (train, test)
        )
        filters = self.predictor(known, inputs["train_boxes"])
        scores = [
            correlate(asked, filters[:, number]) for number in range(self.iterations + 1)
        ]
        return {
            "scores": ops.stack(scores, axis=1),
            "overlaps": self._overlaps(inputs, train, test, training),
        }

    def _overlaps(self, inputs, train, test, training):
        """Of candidates, modulated by the first training frame."""
        reference = [maps[:, 0] for maps in train]
        box = inputs["train_boxes"][:, :1]
        factors = self.modulation([*reference, box], training=training)
        frames = inputs["test_frames"].shape[1]
        compared = self.comparison([_flat(maps) for maps in test], training=training)
        repeated = [ops.repeat(factor, frames, axis=0) for factor in factors]
        candidates = _flat(inputs["candidates"])
        found = self.overlap([*compared, *repeated, candidates], training=training)
        return ops.reshape(found, (-1, frames, inputs["candidates"].shape[2]))

    def features(self, frames: Any) -> list[Any]:
        """Shallow and deep features of `(batch, frames, side, side, 3)`.

        The backbone's normalisation keeps the statistics that it has.
        """
        maps = self.backbone(_flat(frames), training=False)
        return [ops.reshape(x, (-1, frames.shape[1], *x.shape[1:])) for x in maps]

    def scored_features(self, deep: Any, training: bool = False) -> Any:
        """What filters read, of deep features `(batch, frames, rows, columns, width)`."""
        maps = self.classification(_flat(deep), training=training)
        return ops.reshape(maps, (-1, deep.shape[1], *maps.shape[1:]))

    def labels(self, boxes: Any) -> Any:
        """The scores wanted of frames with these boxes, for the loss."""
        return self.grid.labels(boxes, self.deviation)

    def losses_and_weights(self) -> dict[str, dict[str, Any]]:
        """What `compile` takes: `network.compile("adam", **network.losses_and_weights())`.

        Targets are `scores`, of `labels(test_boxes)`, and `overlaps`, the intersection
        over union of the candidates with the test boxes.
        """
        losses = {
            "scores": HingeLikeLoss(),
            "overlaps": keras.losses.MeanSquaredError(),
        }
        weights = {"scores": _CLASSIFICATION_WEIGHT, "overlaps": 1.0}
        return {"loss": losses, "loss_weights": weights}

    def get_config(self):
        own = ("area", "filter_size", "width", "overlap_width", "iterations")
        backbone = keras.saving.serialize_keras_object(self.backbone)
        values = {name: getattr(self, name) for name in own}
        return {"name": self.name, "backbone": backbone, **values}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        backbone = keras.saving.deserialize_keras_object(
            config["backbone"], custom_objects=custom_objects
        )
        return cls(**{**config, "backbone": backbone})


def _flat(frames: Any) -> Any:
    """Frames of all examples on one axis."""
    return ops.reshape(frames, (-1, *frames.shape[2:]))


def _classification(shape: tuple, width: int, filter_size: int) -> keras.Model:
    """Features for the filter: a residual block, a convolution, then one norm for all maps.

    The block is a bottleneck where the features are wider than what the filter reads, as in
    DiMP-50. The norm is such that the features under a filter have one of about 1.
    """
    inputs = x = keras.Input(shape)
    rows, columns, channels = shape
    inner = max(channels // 4, 1)
    wide = channels > width
    parts = [(inner, 1), (inner, 3), (channels, 1)] if wide else [(channels, 3)] * 2
    for number, (made, kernel) in enumerate(parts, start=1):
        x = layers.Conv2D(
            made, kernel, padding="same", use_bias=False, name=f"convolution{number}"
        )(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        if number == len(parts):
            x = layers.Add()([x, inputs])
        x = layers.ReLU()(x)
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name="features")(x)
    x = layers.UnitNormalization(axis=[1, 2, 3])(x)
    x = layers.Rescaling((rows * columns) ** 0.5 / filter_size)(x)
    return keras.Model(inputs, x, name="classification")


def _feature_shapes(backbone: Any) -> tuple[list[tuple], tuple[int, int]]:
    """Shapes of the features without the batch's axis, and pixels a cell of them."""
    if not isinstance(backbone, keras.Model) or not backbone.built:
        raise ValueError(
            f"`backbone` must be a built keras.Model. Received: {type(backbone).__name__}."
        )
    taken, made = backbone.input_shape, backbone.output_shape
    fixed = isinstance(taken, tuple) and len(taken) == 4 and None not in taken[1:]
    if not fixed or taken[1] != taken[2]:
        raise ValueError(
            "`backbone` must take square pictures of a fixed size. Received: a model of "
            f"input shape {taken}. Cut it with tf_hetero.tracking.features_of."
        )
    if not isinstance(made, list) or len(made) != 2 or any(len(s) != 4 for s in made):
        raise ValueError(
            "`backbone` must have two outputs, shallow and deep features. Received: a "
            f"model of output shape {made}. Cut it with tf_hetero.tracking.features_of."
        )
    shapes = [tuple(shape[1:]) for shape in made]
    strides = tuple(-(-taken[1] // shape[0]) for shape in shapes)
    return shapes, (strides[0], strides[1])
