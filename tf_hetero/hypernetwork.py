"""The papers' hypernetwork: latent vectors in, convolution kernel out.

For a kernel of shape `(kh, kw, c_in, c_out)` and embedding dimension `m`:

    Z = z_in z_out^T + B0                (c_in, c_out)
    E = Z[..., None] * W1 + B1           (c_in, c_out, m)
    K[h, w] = sum_m W2[h, w, ..., m] * E[..., m] + B2[h, w]

The maps from Z to E and from E to K are linear and apart for each pair of
channels, so that removing an element of `z_in` or `z_out` removes a slice of
the kernel and nothing else.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops


def generate_kernel(z_in, z_out, w1, w2, b0, b1, b2) -> Any:
    """Generates a convolution kernel from two latent vectors.

    Args:
        z_in: latent vector of the input channels, shape `(c_in,)`.
        z_out: latent vector of the output channels, shape `(c_out,)`.
        w1: first map, shape `(c_in, c_out, m)`.
        w2: second map, shape `(kh, kw, c_in, c_out, m)`.
        b0: bias of the latent matrix, shape `(c_in, c_out)`.
        b1: bias of the embedding, shape `(c_in, c_out, m)`.
        b2: bias of the kernel, shape `(kh, kw, c_in, c_out)`.

    Returns:
        The kernel, shape `(kh, kw, c_in, c_out)`.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.hypernetwork import generate_kernel
    >>> z_in, z_out = np.ones(2), np.ones(4)
    >>> w1, w2 = np.ones((2, 4, 8)), np.ones((3, 3, 2, 4, 8))
    >>> b0, b1, b2 = np.zeros((2, 4)), np.zeros((2, 4, 8)), np.zeros((3, 3, 2, 4))
    >>> kernel = np.array(generate_kernel(z_in, z_out, w1, w2, b0, b1, b2))
    >>> kernel.shape, float(kernel[0, 0, 0, 0])  # a sum over the eight
    ((3, 3, 2, 4), 8.0)

    References:
        - Differentiable Meta Pruning via HyperNetworks, Eqs. 1 to 3.
        - The Heterogeneity Hypothesis, Eq. 7 (without biases).
    """
    w1, b1, w2 = (_last_axis_first(weight) for weight in (w1, b1, w2))
    return combine(z_in, z_out, w1, w2, b0, b1, b2)


def combine(z_in, z_out, w1, w2, b0, b1, b2) -> Any:
    """As `generate_kernel`, with the embedding axis first and any spatial axes.

    This is how the hyper layers hold their weights: each slice along the first
    axis has the layout of the kernel, so that nothing is summed along a short
    last axis.
    """
    latent = ops.expand_dims(z_in, 1) * ops.expand_dims(z_out, 0) + b0
    embedding = ops.add(ops.multiply(latent, w1), b1)
    w2 = as_tensor(w2)
    return _weighted_sum(w2, ops.cast(embedding, w2.dtype)) + b2


def as_tensor(variable: Any) -> Any:
    """The value of a variable; TensorFlow's `convert_to_tensor` gives the variable."""
    return ops.reshape(variable, variable.shape)


def _last_axis_first(weight: Any) -> Any:
    last = len(weight.shape) - 1
    return ops.transpose(weight, (last, *range(last)))


@ops.custom_gradient
def _weighted_sum(w2, embedding) -> Any:
    """`sum_m w2[m] * embedding[m]`; its gradient reads `w2` once, slice by slice."""
    spatial = tuple(range(len(w2.shape) - 3))
    kernel = w2[0] * embedding[0]
    for index in range(1, w2.shape[0]):
        kernel = kernel + w2[index] * embedding[index]

    def gradient(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        to_embedding = [
            ops.sum(w2[index] * upstream, axis=spatial) for index in range(w2.shape[0])
        ]
        wide = ops.expand_dims(embedding, tuple(axis + 1 for axis in spatial))
        return wide * upstream, ops.stack(to_embedding)

    return kernel, gradient


def draw_latents(size: int, rng: np.random.Generator) -> np.ndarray:
    """Fresh latent elements: z ~ N(0, 1)."""
    return rng.standard_normal(size, dtype=np.float32)


def draw_bounds(embedding_dim: int, fan_in: int) -> tuple[float, float]:
    """The bounds of the uniform distributions of W1 and W2.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.6: W1 is
          Xavier uniform with fans of one, W2 is Hyperfan-in.
    """
    return math.sqrt(3.0), math.sqrt(3.0 / (embedding_dim * fan_in))


def draw_direction(
    shape: Sequence[int],
    fan_in: int,
    embedding_dim: int,
    rng: np.random.Generator,
    axes: Sequence[int] | None = None,
) -> np.ndarray:
    """Draws `V = sum_m W2 * W1`, which is all of a fresh hypernetwork that matters.

    At initialisation the biases are zero and the kernel is `z_in z_out^T * V`.
    W1 is shared by all kernel positions, so the elements of V are not
    independent; they are summed up one embedding dimension at a time, and W1
    and W2 are never held.

    Args:
        shape: kernel shape.
        fan_in: inputs that one output element sums over, spatial ones included.
        embedding_dim: the papers' m.
        rng: random generator.
        axes: the axes of channels; the last two if None. Along the others are the
            kernel's positions: spatial ones, or the elements of an attention's heads.

    Returns:
        V, float32, of the given shape.
    """
    bound1, bound2 = draw_bounds(embedding_dim, fan_in)
    direction = np.zeros(shape, dtype=np.float32)
    rank = len(shape)
    channels = range(rank - 2, rank) if axes is None else axes
    of_channels = [n if axis in channels else 1 for axis, n in enumerate(shape)]
    for _ in range(embedding_dim):
        w1 = rng.random(of_channels, dtype=np.float32)
        w1 -= 0.5
        w1 *= 4 * bound1 * bound2
        w2 = rng.random(shape, dtype=np.float32)
        w2 -= 0.5
        w2 *= w1
        direction += w2
    return direction


def embed_kernel(
    kernel: np.ndarray, embedding_dim: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """W1 and W2, embedding axis first, that generate a kernel from latents of one.

    W1 has length one along the embedding axis, so that at first a gradient step on
    W2 moves the kernel as the same step on the kernel itself would.
    """
    w1 = rng.standard_normal((embedding_dim, *kernel.shape[-2:]))
    w1 = (w1 / np.linalg.norm(w1, axis=0)).astype(np.float32)
    spatial = kernel.ndim - 2
    return w1, kernel * w1.reshape(embedding_dim, *(1,) * spatial, *w1.shape[1:])


def scale_axis(kernel: np.ndarray, latent: np.ndarray, axis: int) -> np.ndarray:
    """Multiplies a kernel by a latent vector along one axis, in place."""
    shape = [1] * kernel.ndim
    shape[axis] = -1
    kernel *= latent.reshape(shape)
    return kernel
