"""The design's invariants over random models."""

import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import build, programs
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.counting import CostModel, kept_units
from tools.equivalence import masked_outputs, random_inputs, random_masks, randomize

GROUPED = st.sampled_from(["auto", "blocks", "positions"])


@given(program=programs, grouped=GROUPED, seed=st.integers(0, 99))
def test_masked_equals_stripped_and_counts_agree(program, grouped, seed):
    keras.utils.set_random_seed(seed)
    model = randomize(build(program), seed)
    graph = th.trace(model, grouped)
    assert graph.free_groups
    masks = random_masks(graph, seed)
    stripped = th.strip(model, masks, grouped)
    inputs = random_inputs(model)
    assert_equal_outputs(
        stripped(inputs), masked_outputs(model, masks, inputs, grouped), 2e-5
    )
    assert CostModel(graph).counts(kept_units(graph, masks)) == th.count(stripped)
    again = type(stripped).from_config(stripped.get_config())
    again.set_weights(stripped.get_weights())
    assert_equal_outputs(again(inputs), stripped(inputs), 0)


@given(program=programs)
def test_every_tensor_is_made_of_whole_groups(program):
    graph = th.trace(build(program))
    for site in graph.sites:
        for ids in (*site.inputs, *site.outcome.outputs):
            times = graph.multiplicity(ids)
            np.testing.assert_array_equal(times, np.round(times))
    units = np.concatenate([group.units for group in graph.groups])
    np.testing.assert_array_equal(np.sort(units), np.arange(graph.num_units))


@given(program=programs, macs=st.floats(0.3, 0.9), seed=st.integers(0, 99))
def test_selection_fits_the_budget_or_says_why(program, macs, seed):
    model = build(program)
    graph = th.trace(model)
    rng = np.random.default_rng(seed)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    budget = int(macs * th.count(model).macs)
    try:
        masks = th.select(model, scores, macs=macs)
    except ValueError as error:
        assert "smallest reachable value" in str(error)
        return
    assert CostModel(graph).counts(kept_units(graph, masks)).macs <= budget
