"""Products written as equations: EinsumDense, and einsum and matmul of two tensors."""

import dataclasses
import math
import re
import string
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import Ids, Length, Outcome, Weight, varying_axis
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.activations import activated, own_activation
from tf_hetero.graph.rules.base import (
    ATTENTION,
    LAYOUT,
    NO_CHANNELS,
    RuleCall,
    register_rule,
)
from tf_hetero.graph.rules.mixing import mixing

_EQUATION = re.compile(
    r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"
)


@dataclasses.dataclass(frozen=True)
class Equation:
    """The equation of an EinsumDense, with a letter for every axis.

    Attributes:
        inputs, kernel, outputs: a letter for each axis, the batch's first; a digit for
            an axis that the equation leaves out.
        bias: the same for the bias; empty without one.
        configured: the letters of the sizes in the layer's `output_shape`.
    """

    inputs: str
    kernel: str
    outputs: str
    bias: str
    configured: str

    @property
    def contracted(self) -> str:
        """Letters over which the kernel sums, in the order of the input."""
        return "".join(a for a in self.inputs if a in self.kernel and a not in self.outputs)

    @property
    def made(self) -> str:
        """Letters that the kernel brings, in the order of the output."""
        return "".join(a for a in self.outputs if a not in self.inputs)

    @property
    def in_order(self) -> bool:
        """Whether positions come first, then what is summed over or made, nothing else."""
        before, summed, made = self.inputs[0] + self.free, self.contracted, self.made
        letters = (before + summed, summed + made, before + made)
        usual = letters == (self.inputs, self.kernel, self.outputs)
        return usual and bool(summed) and bool(made)

    @property
    def free(self) -> str:
        """Letters that the kernel has not, without the batch, in the order of the input."""
        return "".join(a for a in self.inputs[1:] if a not in self.kernel)


def equation_of(layer: keras.layers.EinsumDense, rank: int) -> Equation | None:
    """The equation of a layer on inputs of this rank; None for an unusual one."""
    match = _EQUATION.fullmatch(layer.equation)
    if match is None:
        return None
    left, inputs, right, kernel, out_left, outputs, out_right = match.groups()
    elided = string.digits[: max(rank - len(inputs), 0)]
    one_side = (left, right) == (out_left, out_right) and not (left and right)
    if not one_side or len(inputs) + len(elided if left or right else "") != rank:
        return None
    bias_axes = layer.bias_axes or ""
    bias = outputs[min((outputs.find(a) for a in bias_axes), default=len(outputs)) :]
    bias = "".join(a if a in bias_axes else "." for a in bias)
    equation = Equation(
        inputs=elided + inputs if left else inputs + elided,
        kernel=kernel,
        outputs=elided + outputs if left else outputs + elided,
        bias=bias if left or not bias else bias + "." * len(elided),
        configured=outputs if left and elided else outputs[1:],
    )
    fits = len(equation.configured) == len(layer.partial_output_shape)
    return equation if fits and _is_usual(equation) else None


def _is_usual(equation: Equation) -> bool:
    inputs, kernel, outputs = equation.inputs, equation.kernel, equation.outputs
    return (
        _by_batch(inputs, outputs)
        and len(set(kernel)) == len(kernel)
        and inputs[0] not in kernel
        and set(kernel) <= set(inputs + outputs)
        and set(outputs) <= set(inputs + kernel)
    )


def _by_batch(*letters: str) -> bool:
    """Whether no letter comes twice in a tensor, and the batch first in each."""
    first = {tensor[:1] for tensor in letters}
    return len(first) == 1 and all(len(set(t)) == len(t) > 1 for t in letters)


def einsum_dense(call: RuleCall) -> Outcome:
    """EinsumDense: fresh ids along the first axis that the kernel brings."""
    equation = equation_of(call.operation, len(call.input_shapes[0]))
    kernel = call.variables.get("kernel")
    ids = call.inputs[0]
    if equation is None or kernel is None:
        return call.frozen(LAYOUT)
    sizes = dict(zip(equation.inputs[1:], call.input_shapes[0][1:], strict=True))
    sizes |= dict(zip(equation.kernel, kernel.shape, strict=True))
    rows = None if ids is None else _rows(call, equation, sizes, ids)
    if rows is None:
        frozen = call.frozen(NO_CHANNELS if ids is None else LAYOUT)
        return Outcome(frozen.outputs, _weights(equation, sizes, {}))
    (letter,) = set(rows) & set(equation.outputs)
    shape = [len(rows[a]) if a == letter else 1 for a in equation.outputs[1:]]
    config = [
        Length(rows[a]) if a == letter else size
        for a, size in zip(
            equation.configured, call.operation.partial_output_shape, strict=True
        )
    ]
    return Outcome(
        outputs=(activated(call, rows[letter].reshape(shape)),),
        weights=_weights(equation, sizes, rows),
        config={"output_shape": tuple(config), **own_activation(call)},
    )


def _rows(call: RuleCall, equation: Equation, sizes, ids: Ids) -> dict[str, Ids] | None:
    """The ids along each letter that has any: one of the outputs', perhaps one summed.

    None where ids would vary along two axes of the output, or along none.
    """
    letter = equation.inputs[1 + varying_axis(ids)]
    if sizes[letter] != ids.size or letter not in equation.kernel:
        return None
    rows = {letter: ids.ravel()}
    made = letter
    if letter in equation.contracted:
        long = [a for a in equation.made if sizes[a] > 1]
        made = "".join(long)[:1] or equation.made[-1:]
    if not made or (sizes[made] == 1 and made != equation.outputs[-1]):
        return None
    if made != letter:
        rows[made] = call.fresh(sizes[made])
    return rows


def _weights(equation: Equation, sizes, rows: dict[str, Ids]) -> dict[str, Weight]:
    free = [sizes[a] for a in equation.free]
    summed = tuple(equation.kernel.index(a) for a in equation.contracted)
    read = [axis for axis in summed if equation.kernel[axis] in rows]
    kernel = Weight(
        axes=tuple(rows.get(a) for a in equation.kernel),
        positions=None if None in free else math.prod(free),
        input_axis=read[0] if read else None,
        summed=summed,
    )
    return {"kernel": kernel, "bias": Weight(tuple(rows.get(a) for a in equation.bias))}


def einsum(call: RuleCall) -> Outcome:
    """`ops.einsum` of tensors: ids along a letter that all of them keep."""
    operands, arrow, outputs = call.operation.subscripts.replace(" ", "").partition("->")
    if not arrow or "." in operands:
        return mixing(call)
    return _product(call, operands.split(","), outputs)


def matmul(call: RuleCall) -> Outcome:
    """`ops.matmul` of two stacks of matrices, as an equation."""
    shapes = [tuple(shape[:-2]) for shape in call.input_shapes]
    if len(shapes) != 2 or shapes[0] != shapes[1] or not shapes[0]:
        return mixing(call)
    stack = string.ascii_lowercase[: len(shapes[0])]
    return _product(call, [f"{stack}XY", f"{stack}YZ"], f"{stack}XZ")


def _product(call: RuleCall, operands: Sequence[str], outputs: str) -> Outcome:
    inputs = [ids for ids in call.inputs if ids is not None]
    if len(inputs) < len(call.inputs):
        return call.frozen(NO_CHANNELS)
    ranks = [len(shape) for shape in call.input_shapes]
    if [len(a) for a in operands] != ranks or not _by_batch(*operands, outputs):
        return mixing(call)
    pairs = zip(operands, inputs, strict=True)
    found = [(a[1 + varying_axis(ids)], ids) for a, ids in pairs if ids.size > 1]
    letters = {letter for letter, _ in found}
    letter = letters.pop() if len(letters) == 1 else ""
    held = sum(letter in operand for operand in operands)
    if not letter or letter not in outputs or held != len(found):
        return mixing(call)
    rows = [ids.ravel() for _, ids in found]
    if any(row.size != rows[0].size for row in rows):
        return mixing(call)
    for row in rows[1:]:
        call.unify(rows[0], row)
    shape = [rows[0].size if a == letter else 1 for a in outputs[1:]]
    return Outcome((rows[0].reshape(shape),))


def has_heads(mask: Any, queries: int = 1) -> bool:
    """Whether a mask of scores `(batch, heads, queries, keys)` has a value for each head.

    Args:
        mask: anything with a shape.
        queries: axes of queries, of which there are as many of keys.
    """
    heads = np.shape(mask)[: -2 * queries][1:]
    return any(size != 1 for size in heads)


def dot_product_attention(call: RuleCall) -> Outcome:
    """`ops.dot_product_attention`: query, key and value have the same heads."""
    if len(call.inputs) != 3 or any(map(has_heads, call.constants)):
        return call.frozen(ATTENTION)
    return _product(call, ["abcd", "aecd", "aecf"], "abcf")


for _rule, _classes in (
    (einsum_dense, [keras.layers.EinsumDense]),
    (einsum, operation_classes("Einsum")),
    (matmul, operation_classes("Matmul")),
    (dot_product_attention, operation_classes("DotProductAttention")),
):
    for _class in _classes:
        register_rule(_class, _rule)
