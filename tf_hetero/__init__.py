"""Channel widths for Keras CNNs: LW-DNA, DHP and MCH, and plain Keras models at the end."""

import importlib
from typing import Any

from tf_hetero.deployment.exporting import export
from tf_hetero.graph.channels import ChannelGraph, ChannelGroup, Length, Outcome, Weight
from tf_hetero.graph.rules import RuleCall, register_rule
from tf_hetero.graph.subclassed import to_functional
from tf_hetero.graph.tracing import trace
from tf_hetero.latency.exported_files import measure_latency
from tf_hetero.latency.table import LatencyTable
from tf_hetero.methods.base import Method
from tf_hetero.methods.dhp.callbacks import LatentSummaries, StopAtBudget
from tf_hetero.methods.dhp.floors import latent_floors
from tf_hetero.methods.dhp.method import DHP
from tf_hetero.methods.dhp.reparameterizing import latent_vectors, reparameterize
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.methods.lwdna.saliency import latent_saliency
from tf_hetero.methods.mch.callbacks import StructureHistory
from tf_hetero.methods.mch.layer_scaling import ScalingRule
from tf_hetero.methods.mch.method import MCH
from tf_hetero.methods.mch.network import (
    DenseStructureNetwork,
    HyperStructureNetwork,
    IndependentGates,
)
from tf_hetero.methods.mch.search import HyperStructureSearch
from tf_hetero.methods.post_training.method import PostTraining
from tf_hetero.proximal import ProximalAdam, ProximalSGD
from tf_hetero.report.comparing import Comparison, compare
from tf_hetero.report.exported import Exported
from tf_hetero.report.plotting import plot_channels, plot_widths
from tf_hetero.restoration.tiling import restore
from tf_hetero.shrinking import shrink
from tf_hetero.surgery.recalibrating import recalibrate_batchnorm
from tf_hetero.surgery.reconstructing import reconstruct
from tf_hetero.surgery.stripping import strip
from tf_hetero.surgery.widening import widen
from tf_hetero.version import __version__
from tf_hetero.widths.counting import Counts, count
from tf_hetero.widths.selection import select
from tf_hetero.widths.width_rules import WidthRules

__all__ = [
    "DHP",
    "LWDNA",
    "MCH",
    "ChannelGraph",
    "ChannelGroup",
    "Comparison",
    "Counts",
    "DenseStructureNetwork",
    "Exported",
    "HyperStructureNetwork",
    "HyperStructureSearch",
    "IndependentGates",
    "LatencyTable",
    "LatentSummaries",
    "Length",
    "Method",
    "Outcome",
    "PostTraining",
    "ProximalAdam",
    "ProximalSGD",
    "RuleCall",
    "ScalingRule",
    "StopAtBudget",
    "StructureHistory",
    "Weight",
    "WidthRules",
    "__version__",
    "compare",
    "count",
    "export",
    "latent_floors",
    "latent_saliency",
    "latent_vectors",
    "measure_latency",
    "plot_channels",
    "plot_widths",
    "recalibrate_batchnorm",
    "reconstruct",
    "register_rule",
    "reparameterize",
    "restore",
    "select",
    "shrink",
    "strip",
    "to_functional",
    "trace",
    "widen",
]
_ROOMS = ("datasets", "models", "testing", "tfmot")


def __getattr__(name: str) -> Any:
    """Loads a room that not every user needs when it is first asked for."""
    if name in _ROOMS:
        return importlib.import_module(f"tf_hetero.{name}")
    raise AttributeError(f"module 'tf_hetero' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
