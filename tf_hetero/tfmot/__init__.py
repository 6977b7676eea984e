"""Keras 3 models in tf_keras, where TensorFlow Model Optimization works on them.

Imports `graph` and `data`; only users import it. Needs the extra `tfmot`.
"""

from tf_hetero.tfmot.models import to_tf_keras
from tf_hetero.tfmot.wrapping import (
    cluster_weights,
    import_tfmot,
    prune_weights,
    quantization_aware,
    strip_wrappers,
)

__all__ = [
    "cluster_weights",
    "import_tfmot",
    "prune_weights",
    "quantization_aware",
    "strip_wrappers",
    "to_tf_keras",
]
