"""Channel widths for Keras CNNs: LW-DNA, DHP and MCH, and plain Keras models at the end."""

from tf_hetero.callbacks import LatentSummaries, StopAtBudget, StructureHistory
from tf_hetero.channels import ChannelGraph, ChannelGroup, Length, Outcome, Weight
from tf_hetero.counting import Counts, count
from tf_hetero.exporting import Exported, export
from tf_hetero.opening import to_functional
from tf_hetero.proximal import ProximalAdam, ProximalSGD, latent_floors
from tf_hetero.recalibrating import recalibrate_batchnorm
from tf_hetero.reparameterizing import latent_vectors, reparameterize
from tf_hetero.report_page import ExportedFile
from tf_hetero.reporting import Comparison, compare
from tf_hetero.rules import RuleCall, register_rule
from tf_hetero.saliency import latent_saliency
from tf_hetero.selection import select
from tf_hetero.shrinking import shrink
from tf_hetero.stripping import strip
from tf_hetero.structure import HyperStructureNetwork, IndependentGates
from tf_hetero.structure_search import HyperStructureSearch
from tf_hetero.tracing import trace
from tf_hetero.version import __version__
from tf_hetero.widening import widen

__all__ = [
    "ChannelGraph",
    "ChannelGroup",
    "Comparison",
    "Counts",
    "Exported",
    "ExportedFile",
    "HyperStructureNetwork",
    "HyperStructureSearch",
    "IndependentGates",
    "LatentSummaries",
    "Length",
    "Outcome",
    "ProximalAdam",
    "ProximalSGD",
    "RuleCall",
    "StopAtBudget",
    "StructureHistory",
    "Weight",
    "__version__",
    "compare",
    "count",
    "export",
    "latent_floors",
    "latent_saliency",
    "latent_vectors",
    "recalibrate_batchnorm",
    "register_rule",
    "reparameterize",
    "select",
    "shrink",
    "strip",
    "to_functional",
    "trace",
    "widen",
]
