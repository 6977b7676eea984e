"""Least squares from sums: normal equations that grow batch by batch. Plain NumPy."""

import numpy as np


class NormalEquations:
    """The sums that say which kernel, and which offset, fits best.

    For each group the kernel W and the offset b minimise the mean of `|x W + b - y|²`
    plus `ridge` times the mean eigenvalue of the inputs' covariance times `|W - W₀|²`.

    Args:
        centred: whether there is an offset. The sums are then taken about the first
            batch's means, so that float32 products lose nothing to them.

    References:
        - Hoerl and Kennard, Ridge Regression, 1970, drawn towards W₀ in the place of 0.
    """

    def __init__(self, centred: bool) -> None:
        self._centred = centred
        self.samples = 0

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Takes samples in: inputs `(groups, samples, patch)`, targets `(…, outputs)`."""
        if not self.samples:
            self._begin(x, y)
        if self._centred:
            x, y = x - self._shift_x, y - self._shift_y
        self.samples += x.shape[1]
        transposed = x.transpose(0, 2, 1)
        self._squares += transposed @ x
        self._products += transposed @ y
        self._sum_x += x.sum(axis=1, keepdims=True, dtype=np.float64)
        self._sum_y += y.sum(axis=1, keepdims=True, dtype=np.float64)

    def _begin(self, x: np.ndarray, y: np.ndarray) -> None:
        groups, _, patch = x.shape
        self._shift_x, self._shift_y = (a.mean(axis=1, keepdims=True) for a in (x, y))
        self._squares = np.zeros((groups, patch, patch))
        self._products = np.zeros((groups, patch, y.shape[-1]))
        self._sum_x = np.zeros((groups, 1, patch))
        self._sum_y = np.zeros((groups, 1, y.shape[-1]))

    @property
    def groups(self) -> int:
        """Kernels that are solved for apart."""
        return len(self._squares)

    @property
    def unknowns(self) -> int:
        """Elements of a kernel that one output reads."""
        return self._squares.shape[-1]

    @property
    def finite(self) -> bool:
        """Whether every sum is a finite number."""
        return bool(np.isfinite(self._squares).all() and np.isfinite(self._products).all())

    def covariance(self) -> np.ndarray:
        """Of the inputs, `(groups, patch, patch)`; second moments without an offset."""
        squares = self._squares / self.samples
        if self._centred:
            mean = self._sum_x / self.samples
            squares -= mean.transpose(0, 2, 1) @ mean
        return squares

    def solve(self, old: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """The kernels `(groups, patch, outputs)` and offsets `(groups, 1, outputs)`.

        Args:
            old: W₀, which stays where the inputs say nothing.
            ridge: see the class.
        """
        covariance = self.covariance()
        products = self._products / self.samples
        mean_x, mean_y = self._sum_x / self.samples, self._sum_y / self.samples
        if self._centred:
            products = products - mean_x.transpose(0, 2, 1) @ mean_y
        size = _ridge(covariance, ridge)
        np.einsum("gii->gi", covariance)[:] += size[:, None]
        solved = np.linalg.solve(covariance, products + size[:, None, None] * old)
        if not self._centred:
            return solved, np.zeros_like(mean_y)
        offset = (self._shift_y + mean_y) - (self._shift_x + mean_x) @ solved
        return solved, offset


def _ridge(covariance: np.ndarray, ridge: float) -> np.ndarray:
    """The ridge of each group; 1 where nothing varies, so that W₀ stays."""
    mean = np.trace(covariance, axis1=1, axis2=2) / covariance.shape[-1]
    return np.where(mean > 0, ridge * mean, 1.0)
