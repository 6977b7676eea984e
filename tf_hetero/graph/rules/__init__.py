"""How channels pass each layer and operation: one rule a family.

A rule is a function of one call. It says which channels the outputs have and
how the layer's weights and config follow the channels; everything else
(slicing, resizing, counting, generating kernels) is the same for all layers.
"""

from tf_hetero.graph.rules import (  # noqa: F401
    attention,
    axes,
    convolutions,
    einsum,
    elementwise,
    mixing,
    moving,
    normalizing,
    preprocessing,
    recurrent,
    reshaping,
    spatial,
    wrapping,
)
from tf_hetero.graph.rules.base import (
    RuleCall,
    frozen_tensor,
    has_rule,
    register_rule,
    rule_for,
)
from tf_hetero.graph.rules.trying import rule_or_trial

__all__ = [
    "RuleCall",
    "frozen_tensor",
    "has_rule",
    "register_rule",
    "rule_for",
    "rule_or_trial",
]
