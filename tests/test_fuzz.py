"""Random programs through the whole chain, and random damage to what is read."""

import copy
import json

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_device import chain, made_up
from random_graphs import build, programs
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import masked_outputs, random_inputs, random_masks, randomize
from tools.experiment import settings
from tools.experiment.identity import read_record

SEEDS = st.integers(0, 99)
RULES = st.builds(
    th.WidthRules,
    min_conv_fraction=st.floats(0, 0.6),
    min_channels=st.integers(1, 3),
    max_fraction=st.floats(0.7, 1),
    multiple_of=st.sampled_from([1, 2]),
)
BUDGETS = st.dictionaries(
    st.sampled_from(["macs", "params", "memory", "file_size"]),
    st.floats(0.3, 1.0),
    min_size=1,
    max_size=3,
)
# The rules and budgets that no program can meet say so, in one of these ways.
UNMET = ("smallest reachable", "must be able to end with", "channel groups", "may shrink")


@given(program=programs, rules=RULES, budgets=BUDGETS, seed=SEEDS)
def test_the_chain_meets_every_budget_and_rule_or_says_why(
    program, rules, budgets, seed, tmp_path_factory
):
    model = randomize(build(program), seed)
    graph = th.trace(model)
    rng = np.random.default_rng(seed)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    try:
        masks = th.select(model, scores, widths=rules, **budgets)
    except ValueError as error:
        assert any(text in str(error) for text in UNMET), error
        return
    allowed = dict(
        zip([g.name for g in graph.groups], rules.allowed_units(graph), strict=True)
    )
    for name, mask in masks.items():
        assert mask.sum() in allowed[name]
    small = th.strip(model, masks)
    path = tmp_path_factory.getbasetemp() / "chain.keras"
    small.save(path)
    again, inputs = keras.models.load_model(path), random_inputs(model)
    assert_equal_outputs(again(inputs), small(inputs), 0)
    assert_equal_outputs(small(inputs), masked_outputs(model, masks, inputs), 2e-5)
    whole, less = th.count(model), th.count(again)
    for budget, fraction in budgets.items():
        if budget != "file_size":  # what lies around parameters is estimated there
            assert getattr(less, budget) <= fraction * getattr(whole, budget) + 1e-9


@given(program=programs, seed=SEEDS)
def test_what_is_left_of_each_weight_is_a_slice_in_its_order(program, seed):
    """Every number of the model is another one, so each says where it was."""
    model = build(program)
    places, start = {}, 1
    for weight in model.weights:
        size = int(np.prod(weight.shape))
        weight.assign(np.arange(start, start + size).reshape(weight.shape))
        places[start] = weight
        start += size
    assert start < 2**24  # float32 tells them apart
    starts = np.array(sorted(places))
    small = th.strip(model, random_masks(th.trace(model), seed))
    for weight in small.weights:
        numbers = keras.ops.convert_to_numpy(weight).astype(int)
        if not numbers.size or numbers.dtype != int or numbers.min() < 1:
            continue
        (first,) = {starts[np.searchsorted(starts, n, "right") - 1] for n in numbers.flat}
        before = tuple(places[first].shape)
        coordinates = np.unravel_index(numbers - first, before or (1,))
        for axis in range(numbers.ndim):
            others = tuple(a for a in range(numbers.ndim) if a != axis)
            low, high = coordinates[axis].min(others), coordinates[axis].max(others)
            np.testing.assert_array_equal(low, high)
            assert (np.diff(low) > 0).all()


JUNK = st.sampled_from([None, True, -1, 0, 2.5, 1e300, "", "x", [], [None], {}, {"a": 1}])


def places_of(value, path=()):
    """The path of every entry of nested lists and dicts."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places_of(item, (*path, key))


def damaged(value, place, junk):
    """A copy with other contents at one place, or without it if `junk` is `...`."""
    made = copy.deepcopy(value)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    if junk is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = junk
    return made


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table, its contents, and a network that it knows."""
    path = tmp_path_factory.mktemp("table") / "table.json"
    model = chain()
    made_up(model).save(path)
    return path, json.loads(path.read_text()), model


@given(data=st.data(), junk=st.one_of(JUNK, st.just(...)))
def test_damaged_tables_are_refused_or_foretell_something(table, data, junk):
    path, contents, model = table
    place = data.draw(st.sampled_from([*places_of(contents)]))
    other = path.with_name("other.json")
    other.write_text(json.dumps(damaged(contents, place, junk)))
    try:
        loaded = th.LatencyTable.load(other)
        assert np.isfinite(th.count(model, latency_table=loaded).latency)
    except ValueError as error:
        assert "Received: " in str(error)


@given(at=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_bytes_are_refused_or_read(table, at, byte, cut):
    path, _, _ = table
    contents = bytearray(path.read_bytes())
    place = int(at * (len(contents) - 1))
    contents[place] = byte
    other = path.with_name("bytes.json")
    other.write_bytes(contents[:place] if cut else contents)
    for read in (th.LatencyTable.load, read_record):
        try:
            read(other)
        except ValueError as error:
            assert "bytes.json" in str(error)


@given(data=st.data(), junk=JUNK)
def test_configs_with_junk_are_refused_or_taken(data, junk):
    from configs import digits_mch

    config = digits_mch.get_config()
    known = [*places_of(config.to_dict())]
    *inner, name = data.draw(st.sampled_from(known))
    part = config
    for key in inner:
        part = part[key]
    try:
        with part.ignore_type():
            part[name] = junk
        settings.resolve(config)
    except ValueError as error:
        assert "Received" in str(error), error
