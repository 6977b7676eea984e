"""DiMP's target model predictor: a filter that tells an object from what is around it."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.arguments import check_whole
from tf_hetero.tracking.correlation import correlate, correlate_transposed, score_shape
from tf_hetero.tracking.pooling import precise_roi_pool

# The basis of what is learned of distances: so many knots, so many cells apart.
_KNOTS, _APART = 100, 0.1
_LEAST_REGULARIZATION = 1e-3  # lambda never comes nearer to 0
_LEAST_CURVATURE = 1e-12  # where the gradient is 0, so is the step


@dataclasses.dataclass(frozen=True, eq=False)
class Goal:
    """What the filter is to score in frames, with what the residuals depend on.

    Attributes:
        label: `y`, the score wanted, `(batch, frames, rows, columns)`.
        mask: `m`, from 1 on the target to 0 far from it, where negative scores are as good
            as 0; of the same shape.
        weight: `v`, of the same shape.
        frame_weights: of each frame, `(batch, frames)`, with a sum of 1.
        regularization: `lambda`.
    """

    label: Any
    mask: Any
    weight: Any
    frame_weights: Any
    regularization: Any

    def residuals(self, scores: Any) -> tuple[Any, Any]:
        """Of scores, and their derivatives with respect to them (equation 2)."""
        above = ops.cast(scores > 0, scores.dtype)
        slope = self.weight * (self.mask + (1 - self.mask) * above)
        return slope * scores - self.weight * self.label, slope

    def loss(self, filters: Any, features: Any) -> Any:
        """The objective of each example (equation 1)."""
        residuals, _ = self.residuals(correlate(features, filters))
        return self._mean_of_squares(residuals) + self.regularization**2 * _squares(filters)

    def _mean_of_squares(self, maps: Any) -> Any:
        """Over frames by their weights, of sums over places."""
        return ops.sum(self.frame_weights * ops.sum(maps**2, axis=(2, 3)), axis=1)

    def descended(self, filters: Any, features: Any) -> Any:
        """Filters after one step of steepest descent.

        With the gradient `g` and the Gauss-Newton matrix `Q` of the objective, the step is
        `-g (g g) / (g Q g)`: the lowest point along `g` of the quadratic model. Both are
        taken without the factor 2 of squares, which cancels.
        """
        residuals, slope = self.residuals(correlate(features, filters))
        penalty = self.regularization**2
        size = filters.shape[1]
        weighted = self.frame_weights[..., None, None] * slope * residuals
        gradient = correlate_transposed(features, weighted, size) + penalty * filters
        along = slope * correlate(features, gradient)
        steepness = _squares(gradient)
        curvature = self._mean_of_squares(along) + penalty * steepness
        length = steepness / ops.maximum(curvature, _LEAST_CURVATURE)
        return filters - length[:, None, None, None] * gradient


def _squares(filters: Any) -> Any:
    return ops.sum(filters**2, axis=(1, 2, 3))


@dataclasses.dataclass(frozen=True)
class ScoreGrid:
    """Where the scores of a filter lie in a picture.

    Attributes:
        rows, columns: of the scores.
        stride: pixels from one to the next.
        filter_size: cells a side of the filter.
    """

    rows: int
    columns: int
    stride: int
    filter_size: int

    def positions(self) -> np.ndarray:
        """`x, y` of each score in pixels, `(rows, columns, 2)`: in or between cells."""
        first = 0.5 * (self.filter_size % 2)
        places = np.indices((self.rows, self.columns)).transpose(1, 2, 0)[..., ::-1]
        return ((places + first) * self.stride).astype("float32")

    def distances(self, boxes: Any) -> Any:
        """In cells, of each score from the middle of each box.

        Args:
            boxes: `(batch, frames, 4)`, in pixels.

        Returns:
            A tensor `(batch, frames, rows, columns)`.
        """
        middles = (boxes[..., :2] + boxes[..., 2:] / 2)[:, :, None, None]
        apart = (ops.convert_to_tensor(self.positions()) - middles) / self.stride
        # The root has no slope at 0; no distance is learned through.
        return ops.sqrt(ops.sum(apart**2, axis=-1))

    def labels(self, boxes: Any, deviation: float) -> Any:
        """Gaussians of this standard deviation, in cells, around the middles of boxes."""
        return ops.exp(-(self.distances(boxes) ** 2) / (2 * deviation**2))


@keras.saving.register_keras_serializable("tf_hetero")
class TargetModelPredictor(keras.layers.Layer):
    """Predicts a filter from frames in which the target is known.

    A convolution and precise region pooling give the first filter, the mean over frames;
    steepest descent on a learned objective gives the others. The objective's label, mask
    and weight are functions of the distance from the target's middle, `sum_k phi_k rho_k`
    of 100 triangles a tenth of a cell apart, the last of which stays at 1 beyond.

    Args:
        filter_size: cells a side.
        stride: pixels a cell.
        deviation: of the Gaussian that the label is at first, in cells.
        iterations: steps of steepest descent.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        features `(batch, frames, height, width, channels)`, boxes
        `(batch, frames, 4)` in pixels, and, if given, weights of the frames
        `(batch, frames)`; these are all alike otherwise.

    Output shape:
        `(batch, iterations + 1, filter_size, filter_size, channels)`, the filter at first
        and after each step.

    References:
        - Learning Discriminative Model Prediction for Tracking, sections 3.1 to 3.4.
    """

    def __init__(
        self,
        filter_size: int,
        stride: int,
        deviation: float,
        iterations: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_whole(1, filter_size=filter_size, stride=stride)
        check_whole(0, iterations=iterations)
        self.filter_size, self.stride = filter_size, stride
        self.deviation, self.iterations = deviation, iterations

    def build(self, features_shape, boxes_shape=None, weights_shape=None):
        del boxes_shape, weights_shape
        channels = features_shape[-1]
        self.convolution = keras.layers.Conv2D(channels, 3, padding="same", name="initial")
        self.convolution.build((None, *features_shape[2:]))
        knots = np.arange(_KNOTS) * _APART
        bell = np.exp(-(knots**2) / (2 * self.deviation**2))
        self.label_coefficients = self._of_distance("label", bell)
        self.mask_coefficients = self._of_distance("mask", 3 * np.tanh(2 - knots))
        self.weight_coefficients = self._of_distance("weight", np.ones(_KNOTS))
        self.regularization = self.add_weight(
            shape=(), name="regularization", initializer=keras.initializers.Constant(0.1)
        )

    def _of_distance(self, name: str, values: np.ndarray) -> Any:
        return self.add_weight(
            shape=(_KNOTS,),
            name=name,
            initializer=lambda shape, dtype: ops.cast(ops.reshape(values, shape), dtype),
        )

    def call(self, features, boxes, weights=None):
        filters = self.initial(features, boxes)
        goal = self.goal(features, boxes, weights)
        found = [filters]
        for _ in range(self.iterations):
            found.append(goal.descended(found[-1], features))
        return ops.stack(found, axis=1)

    def initial(self, features: Any, boxes: Any) -> Any:
        """The filter at first, `(batch, size, size, channels)` (section 3.3)."""
        _, frames, height, width, channels = features.shape
        flat = ops.reshape(features, (-1, height, width, channels))
        pooled = precise_roi_pool(
            self.convolution(flat),
            ops.reshape(boxes, (-1, 1, 4)),
            self.filter_size,
            self.stride,
        )
        shape = (-1, frames, self.filter_size, self.filter_size, channels)
        return ops.mean(ops.reshape(pooled, shape), axis=1)

    def goal(self, features: Any, boxes: Any, weights: Any = None) -> Goal:
        """The objective in frames with these boxes (section 3.4)."""
        if weights is None:
            weights = ops.ones_like(boxes[..., 0]) / boxes.shape[1]
        distances = self.grid(features.shape[2:4]).distances(boxes)
        label, mask, weight = (
            interpolated(distances, coefficients)
            for coefficients in (
                self.label_coefficients,
                self.mask_coefficients,
                self.weight_coefficients,
            )
        )
        regularization = ops.maximum(
            ops.abs(ops.convert_to_tensor(self.regularization)), _LEAST_REGULARIZATION
        )
        return Goal(label, ops.sigmoid(mask), weight, weights, regularization)

    def grid(self, cells: tuple[int, int]) -> ScoreGrid:
        """Where scores over so many cells lie."""
        rows, columns = score_shape(cells, self.filter_size)
        return ScoreGrid(rows, columns, self.stride, self.filter_size)

    def compute_output_shape(self, features_shape, boxes_shape=None, weights_shape=None):
        del boxes_shape, weights_shape
        size, channels = self.filter_size, features_shape[-1]
        return (features_shape[0], self.iterations + 1, size, size, channels)

    def get_config(self):
        own = ("filter_size", "stride", "deviation", "iterations")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def interpolated(distances: Any, coefficients: Any) -> Any:
    """The learned function of distances: between knots linear, beyond the last constant.

    That is `sum_k phi_k rho_k(d)` with triangles `rho_k` (equation 8 of the paper).

    Args:
        distances: in cells.
        coefficients: one for each of 100 knots, a tenth of a cell apart.
    """
    place = ops.minimum(distances / _APART, _KNOTS - 1.0)
    lower = ops.minimum(ops.floor(place), _KNOTS - 2.0)
    part = place - lower
    index = ops.cast(lower, "int32")
    values = ops.convert_to_tensor(coefficients)
    below, above = (ops.take(values, index + step, axis=0) for step in (0, 1))
    return below + part * (above - below)
