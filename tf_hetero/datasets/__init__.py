"""Input pipelines for the experiments."""

from tf_hetero.datasets.batches import Batches, Pictures
from tf_hetero.datasets.loading import load

__all__ = ["Batches", "Pictures", "load"]
