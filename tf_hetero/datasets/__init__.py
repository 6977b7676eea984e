"""Input pipelines for the experiments: labelled pictures from many places.

Imports nothing of this package but `extras`; only users and `tools` import it.
"""

from tf_hetero.datasets.loading import load
from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.sources import Examples, Records

__all__ = ["Examples", "Pictures", "Records", "load"]
