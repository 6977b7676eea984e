"""Input pipelines for the experiments: labelled pictures, and pictures to restore.

Imports nothing of this package but `extras`; users, `tools`, and for the reading of files
restoration and the command line import it.
"""

from tf_hetero.datasets.degrading import Degradation
from tf_hetero.datasets.gathering import load_patches
from tf_hetero.datasets.loading import load
from tf_hetero.datasets.patches import Patches
from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.sources import Examples, Records

__all__ = [
    "Degradation",
    "Examples",
    "Patches",
    "Pictures",
    "Records",
    "load",
    "load_patches",
]
