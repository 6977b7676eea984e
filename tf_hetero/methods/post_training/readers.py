"""A kernel that reads channels, and what is known of it. Plain NumPy."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Reader:
    """One kernel that adds up channels, of one group of its convolution.

    Attributes:
        layer: its name.
        covariance: of the patches that it reads, `(patch, patch)`.
        kernel: `(patch, outputs)`.
        units: the unit that each element of the patch belongs to.
        weight: a root G of the matrix that says what an error e of the outputs does to
            the network's: the squared length of `e G`. None where it was not measured.
    """

    layer: str
    covariance: np.ndarray
    kernel: np.ndarray
    units: np.ndarray
    weight: np.ndarray | None

    @functools.cached_property
    def weighted(self) -> np.ndarray:
        """The kernel, so that its squared errors count as they should.

        Without a measured weight all kernels count alike: an error is seen as a part of
        the variance of what the kernel makes.
        """
        if self.weight is not None:
            return self.kernel @ self.weight
        variance = np.sum(self.kernel * (self.covariance @ self.kernel))
        return self.kernel / np.sqrt(variance or 1.0)

    def rows(self, units: np.ndarray) -> np.ndarray | None:
        """Where each unit's rows of the kernel are; None if it reads none of them."""
        rows = [np.flatnonzero(self.units == unit) for unit in units]
        return np.stack(rows) if len(rows[0]) else None
