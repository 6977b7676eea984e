"""Pictures of widths and of channels: what is drawn, counted by hand."""

import keras
import numpy as np
import pytest
from browser import Page
from graphs import conv, head, image

import tf_hetero as th

layers = keras.layers
matplotlib_figure = pytest.importorskip("matplotlib.figure")
MASKS = {"stem": np.arange(4) != 1, "conv1": np.arange(3) < 2}


def block():
    """Stem and conv2 meet in Add: 4 units; conv1 has 3 of its own; 3 classes."""
    inputs = image()
    x = conv(inputs, 4, "stem")
    y = conv(conv(x, 3, "conv1"), 4, "conv2")
    return keras.Model(inputs, head(layers.Add(name="add")([x, y])), name="tiny")


def panels(number):
    figure = matplotlib_figure.Figure()
    return list(figure.subplots(1, number, squeeze=False)[0])


def squares(axes):
    from matplotlib.patches import Rectangle

    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_every_channel_is_a_square():
    """Image 3; stem, conv2, add and the pooling 4 each; conv1 3; head 3."""
    (axes,) = panels(1)
    assert th.plot_channels(block(), axes=axes) is axes
    assert len(squares(axes)) == 3 + 4 * 4 + 3 + 3
    texts = [text.get_text() for text in axes.texts]
    assert {"input", "stem", "conv1", "conv2", "add", "head"} <= set(texts)
    assert texts.count("3") == 4  # the last unit of the group of four


def test_colors_are_of_groups_and_arcs_of_calls():
    (axes,) = panels(1)
    th.plot_channels(block(), axes=axes)
    colors = [square.get_facecolor() for square in squares(axes)]
    assert sorted(colors.count(color) for color in set(colors)) == [3, 6, 16]
    # Each of six calls reads one tensor, Add two.
    assert len(axes.patches) - len(colors) == 7


def test_what_goes_is_pale_and_then_gone():
    before, after = th.plot_channels(block(), MASKS, panels(2))
    white = [s for s in squares(before) if s.get_facecolor()[:3] == (1.0, 1.0, 1.0)]
    assert len(white) == 4 + 1
    assert len(squares(after)) == len(squares(before)) - 5
    assert before.get_xlim() == after.get_xlim()


def test_masks_must_fit():
    with pytest.raises(ValueError, match="Received"):
        th.plot_channels(block(), {"stem": np.ones(5, bool)}, panels(2))


def test_widths_are_columns():
    whole = block()
    (axes,) = panels(1)
    th.plot_widths(whole, th.strip(whole, MASKS), axes)
    before, after = axes.containers
    assert [bar.get_height() for bar in before] == [4, 3, 4, 3]
    assert [bar.get_height() for bar in after] == [3, 2, 3, 3]


def test_a_new_figure_where_none_is_given():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    axes = th.plot_widths(block(), block())
    assert axes.figure in map(pyplot.figure, pyplot.get_fignums())
    pyplot.close("all")


def test_notebooks_show_the_tables():
    whole = block()
    found = Page(th.compare(whole, th.strip(whole, MASKS))._repr_html_())
    channels = found.table("Channels")
    assert channels[0] == ["Layer", "Before", "After", "Ratio"]
    assert channels[1:3] == [
        ["stem", "4", "3", "75.0\N{NO-BREAK SPACE}%"],
        ["conv1", "3", "2", "66.7\N{NO-BREAK SPACE}%"],
    ]
    assert found.table("Costs")[1][0] == "MACs"
