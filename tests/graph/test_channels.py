"""Ids, units and groups, without any Keras."""

import types

import numpy as np

from tf_hetero.graph.channel_ids import ChannelIds
from tf_hetero.graph.channels import Outcome, Site, along


def graph(ids, *arrays):
    """A graph whose tensors are the given arrays."""
    call = types.SimpleNamespace(name="call")
    sites = [Site(call, (), Outcome((array,)), first=True) for array in arrays]
    return ids.resolve(sites, types.SimpleNamespace(name="model"), "auto")


def test_ids_along_an_axis():
    row = np.arange(3).reshape(1, 1, 3)
    assert along(row, 0) is None
    np.testing.assert_array_equal(along(row, -1), [0, 1, 2])
    one = np.zeros((1, 1, 1), int)
    assert along(one, 0) is None and along(one, 2) is not None
    assert along(None, -1) is None


def test_units_are_connected_components():
    """0-3-4 and 1-5 belong together, in whatever order this becomes known."""
    ids = ChannelIds()
    a, b = ids.fresh(3, "a"), ids.fresh(3, "b")
    ids.unify(a[:2], b[[0, 2]])
    ids.unify(b[1:2], b[0:1])
    found = graph(ids, a, b)
    np.testing.assert_array_equal(found.unit_of, [0, 1, 2, 0, 0, 1])
    groups = [(g.name, g.size, g.layers) for g in found.groups]
    assert groups == [("a", 1, ("a", "b")), ("a-1", 1, ("a", "b")), ("a-2", 1, ("a",))]


def test_long_chains_become_one_unit():
    ids = ChannelIds()
    links = [ids.fresh(1, str(i)) for i in range(500)]
    rng = np.random.default_rng(0)
    for i in rng.permutation(499):
        ids.unify(links[i + 1], links[i])
    (group,) = graph(ids, *links).groups
    assert group.size == 1 and len(group.layers) == 500


def test_frozen_units_part_from_their_group_and_keep_the_first_reason():
    ids = ChannelIds()
    a = ids.fresh(3, "a")
    ids.freeze(a[1:2], "first")
    ids.freeze(a[1:2], "second")
    found = graph(ids, a)
    assert [(g.name, g.size, g.frozen) for g in found.groups] == [
        ("a", 2, None),
        ("a-1", 1, "first"),
    ]
    np.testing.assert_array_equal(found.groups[0].units, [0, 2])


def test_freezing_spreads_over_what_is_unified_later():
    ids = ChannelIds()
    a, b = ids.fresh(2, "a"), ids.fresh(2, "b")
    ids.freeze(a, "reason")
    ids.unify(b, a)
    assert [g.frozen for g in graph(ids, a, b).groups] == ["reason"]
