"""The report: what the page says, that it is harmless, and how it is written."""

import base64
import os
import sys

import keras
import numpy as np
import pytest
from browser import CHROMIUM, Page, browse
from graphs import MODELS, conv, head, image

import tf_hetero as th
from tf_hetero.report import comparing as reporting
from tf_hetero.report.figures import save_bars
from tf_hetero.report.page import page
from tf_hetero.widths.counting import layer_macs

layers = keras.layers
EVIL = (
    "<script>document.title='run'<!--",
    "<img src=x onerror=document.title='run'>",
    "\"' onmouseover=document.title='run' a=\"",
    "&lt;b&gt; a$b^$ 名前",
)


def model():
    """By hand: stem 64*27*4, depthwise 64*9*4, point 64*4*6 MACs, head 6*3."""
    inputs = image()
    x = conv(inputs, 4, "stem")
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU()(conv(x, 6, "point", kernel=1))
    return keras.Model(inputs, head(x), name="tiny")


def compared():
    whole = model()
    masks = {"stem": np.arange(4) < 2, "point": np.arange(6) < 3}
    return th.compare(whole, th.strip(whole, masks))


def evil():
    widths = dict.fromkeys(EVIL, (3, 2))
    group = th.trace(model()).groups[0]
    groups = dict.fromkeys(EVIL, (group, None))
    costs = {"MACs": (4, 2), "parameters": (5, 1)}
    exports = [th.Exported(name) for name in EVIL]
    return page(EVIL[0], costs, widths, widths, groups, exports)


def test_pictures_lie_in_the_page(tmp_path):
    """As they are, with what stands below them as text."""
    png = b"\x89PNG\r\n\x1a\n and more"
    (tmp_path / "a.png").write_bytes(png)
    compared().save(tmp_path / "report", pictures={EVIL[1]: tmp_path / "a.png"})
    found = Page((tmp_path / "report" / "index.html").read_text())
    (picture,) = found.all("img")
    begin, content = picture["src"].split(",")
    assert begin == "data:image/png;base64" and base64.b64decode(content) == png
    assert picture["alt"] == EVIL[1] and "onerror" not in picture
    (caption,) = found.all("figcaption")[-1:]
    assert caption["text"] == EVIL[1]
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match="`pictures` must be PNG files"):
        compared().page(pictures={"a": tmp_path / "a.jpg"})


def test_macs_layer_by_layer():
    macs = compared().macs
    assert macs == {
        "stem": (6912, 3456),
        "depthwise": (2304, 1152),
        "point": (1536, 384),
        "head": (18, 9),
    }


def test_all_calls_of_a_shared_layer_count():
    inputs = image()
    shared = layers.Conv2D(3, 1, name="shared")
    x = layers.MaxPooling2D(2)(shared(inputs))
    graph = th.trace(keras.Model(inputs, head(shared(x))))
    assert layer_macs(graph) == {"shared": 64 * 9 + 16 * 9, "head": 9}


@pytest.mark.parametrize("name", MODELS)
def test_layers_sum_to_the_macs_of_the_model(name):
    built = MODELS[name]()
    assert sum(layer_macs(th.trace(built)).values()) == th.count(built).macs


def test_comparison_holds_groups_and_what_one_side_lacks():
    inputs = image()
    other = keras.Model(inputs, head(conv(inputs, 4, "other")))
    comparison = th.compare(model(), other)
    assert comparison.name == "tiny"
    assert comparison.widths["stem"] == (4, None)
    assert comparison.macs["other"] == (None, 6912)
    before, after = comparison.groups["image"]
    assert (before.frozen, after.frozen) == ("model input", "model input")
    assert comparison.groups["other"][0] is None
    found = Page(
        page("", comparison.costs, comparison.widths, comparison.macs, comparison.groups)
    )
    assert ["stem", "4", "–", "–"] in found.table("Channels of each")


def test_page_says_what_the_comparison_holds(tmp_path):
    exports = [
        th.Exported("a.tflite", 84_400, 1.25, 0.0),
        th.Exported("b.keras", 2_000_000),
        th.Exported("/home/me/serving/c/1", 12),
    ]
    comparison = compared()
    comparison.save(tmp_path / "report", exports)
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    found = Page(text.replace("\N{NO-BREAK SPACE}", " "))
    assert found.all("title")[0]["text"] == "tiny: before and after"
    assert found.table("Costs")[1] == ["MACs", "10,770", "5,001", "46.4 %"]
    assert found.table("Files")[1:] == [
        ["a.tflite", "84.4 kB", "1.25 ms", "0.00 %"],
        ["b.keras", "2.0 MB", "–", "–"],
        ["c/1", "12 bytes", "–", "–"],
    ]
    assert found.table("Channels of each") == [
        ["Layer", "Before", "After", "Ratio"],
        ["stem", "4", "2", "50.0 %"],
        ["point", "6", "3", "50.0 %"],
        ["head", "3", "3", "100.0 %"],
    ]
    assert ["depthwise", "2,304", "1,152", "50.0 %"] in found.table("Multiply")
    assert found.table("Frozen")[1:] == [
        ["image", "model input", "3", "3"],
        ["head", "model output", "3", "3"],
    ]
    assert found.table("Channel groups")[1:] == [["stem", "4", "2"], ["point", "6", "3"]]


def test_shared_groups_name_their_layers():
    comparison = th.compare(MODELS["residual"](), MODELS["residual"]())
    found = Page(page("", comparison.costs, {}, {}, comparison.groups))
    assert found.table("Channel groups")[1][0] == "alayers: a, c"


def test_bars_are_as_long_as_their_numbers():
    found = Page(page("", {"MACs": (8, 2)}, {"a": (10, 20), "b": (5, None)}, {}, {}))
    styles = [e["style"] for e in found.all("div") if "style" in e]
    percents = [float(style.removeprefix("width:").rstrip("%")) for style in styles]
    assert percents == [100, 25, 50, 100, 25, 0]
    rectangles = [
        (r["class"], float(r["y"]), float(r["height"])) for r in found.all("rect")
    ]
    assert rectangles == [
        ("before", 50, 50),
        ("after", 0, 100),
        ("before", 75, 25),
        ("after", 100, 0),
    ]


def test_tables_and_charts_are_accessible():
    found = Page(evil())
    assert len(found.all("h1")) == 1 and len(found.all("table")) == 5
    for table in found.all("table"):
        caption, *rest = table["inside"]
        assert caption["tag"] == "caption" and caption["text"]
        first, *rows = [x for x in rest if x["tag"] == "tr"]
        assert all(x["scope"] == "col" for x in first["inside"])
        assert all(r["inside"][0]["scope"] == "row" for r in rows)
    for chart in found.all("svg"):
        assert chart["role"] == "img" and "4 layers" in chart["aria-label"]


def test_names_are_text_and_nothing_is_loaded():
    text = evil()
    found = Page(text)
    headings = [e["text"] for e in found.all("th") if e.get("scope") == "row"]
    for name in EVIL:
        assert sum(heading.startswith(name) for heading in headings) == 4
    tags = {e["tag"] for e in found.elements}
    assert not tags & {"script", "img", "b", "link", "iframe", "a", "object"}
    attributes = {key for e in found.elements for key in e}
    assert not [key for key in attributes if key.startswith("on") or key in ("src", "href")]
    assert (
        "url(" not in text
        and "@import" not in text
        and "http" not in text.replace("http-equiv", "")
    )
    (policy,) = (e for e in found.all("meta") if "http-equiv" in e)
    assert policy["content"].startswith("default-src 'none';")


def deep(layers=500):
    return {f"block{i}_conv": (1000 + i, 500 + i) for i in range(layers)}


def test_five_hundred_layers_stay_usable(tmp_path):
    found = Page(page("deep", {"MACs": (2, 1)}, deep(), deep(), {}))
    boxes = [e for e in found.all("div") if "long" in e.get("class", "")]
    assert [box["tabindex"] for box in boxes] == ["0", "0"]
    assert all(box["role"] == "region" and box["aria-label"] for box in boxes)
    assert found.all("caption")[1]["text"] == "Channels of each layer (500 rows)"
    assert len(found.table("Channels of each")) == 501
    assert len(found.all("rect")) == 2000
    save_bars(tmp_path / "deep.png", "deep", "channels", deep())
    assert pixels(tmp_path / "deep.png").shape[1] <= 2200


def pixels(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def test_figures_show_both_models(tmp_path):
    import matplotlib.pyplot as plt

    names = ["$\\frac{", *EVIL]
    with pytest.warns(UserWarning, match="Glyph"):
        save_bars(tmp_path / "a.png", "$\\frac{$", "MACs", dict.fromkeys(names, (10, 5)))
    assert plt.get_fignums() == []
    save_bars(tmp_path / "b.png", "b", "MACs", {"a": (10, 10), "b": (10, None)})
    drawn = pixels(tmp_path / "b.png")
    before, after = (
        (np.abs(drawn - np.array(color) / 255).max(-1) < 0.01).sum()
        for color in ((0xA9, 0xB6, 0xC3), (0x1F, 0x60, 0x98))
    )
    # 0.9 wide twice, with 0.5 of the first hidden; 0.5 wide once.
    assert before / after == pytest.approx((0.9 * 2 - 0.5) / 0.5, rel=0.1)


def test_models_without_kernels_have_a_report(tmp_path):
    plain = keras.Sequential([image(), layers.GlobalMaxPooling2D()])
    th.compare(plain, plain).save(tmp_path / "report")
    found = Page((tmp_path / "report" / "index.html").read_text(encoding="utf-8"))
    assert len(found.all("table")) == 3  # costs, memory, groups


def test_an_earlier_report_is_replaced_only_when_asked_and_whole(tmp_path, monkeypatch):
    path, comparison = tmp_path / "some" / "report", compared()
    path.mkdir(parents=True)
    comparison.save(path)  # an empty folder is as good as none
    files = ["index.html", "macs.png", "memory.png", "widths.png"]
    assert sorted(os.listdir(path)) == files
    (path / "index.html").write_text("old")
    with pytest.raises(ValueError, match=r"Received: '.*report', .*an earlier one.*overwr"):
        comparison.save(path)

    def interrupted(path, *arguments):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(reporting, "save_bars", interrupted)
        with pytest.raises(KeyboardInterrupt):
            comparison.save(path, overwrite=True)
    assert (path / "index.html").read_text() == "old"
    assert os.listdir(path.parent) == ["report"]
    comparison.save(path, overwrite=True)
    assert "tiny" in (path / "index.html").read_text(encoding="utf-8")
    assert os.listdir(path.parent) == ["report"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_report_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    for path, message in (
        (tmp_path, r"folder of its own. Received: .*holds 'thesis.tex'. Choose"),
        (tmp_path / "thesis.tex", r"A report is a folder. Received: .*is a file"),
    ):
        with pytest.raises(ValueError, match=message):
            compared().save(path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_exports_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"tf_hetero.Exported.*Received: dict"):
        compared().save(tmp_path / "report", [{"name": "a"}])
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_page_is_all_there_is(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    missing = r"left out.*need matplotlib. Received: .*Install tf_hetero\[train\]"
    with pytest.warns(UserWarning, match=missing) as warned:
        compared().save(tmp_path / "report")
    assert __file__ in [warning.filename for warning in warned]
    assert os.listdir(tmp_path / "report") == ["index.html"]
    assert "tiny" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_graphs_are_compared_as_their_models():
    whole, graph = model(), th.trace(model())
    assert str(th.compare(graph, whole)) == str(th.compare(whole, whole))


MEASURE = """<iframe src="phone.html" style="width:360px" onload="
  const page = this.contentDocument;
  const wide = [page.documentElement, ...page.querySelectorAll('.box')].filter(
    (element) => element.scrollWidth &gt; element.clientWidth);
  document.body.id = wide.length + ' too wide for a phone';
"></iframe></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_runs_and_loads_nothing(tmp_path):
    """Escaping must do it alone: these copies have no policy. One measures the other."""
    text = evil().replace("Content-Security-Policy", "none")
    (tmp_path / "phone.html").write_text(text, encoding="utf-8")
    text = text.replace("</body>", MEASURE)
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    found, asked = browse(tmp_path, tmp_path / "profile")
    assert [p for p in asked if p != "/favicon.ico"] == ["/index.html", "/phone.html"]
    assert found.all("title")[0]["text"] == f"{EVIL[0]}: before and after"
    rows = [e for e in found.all("tr") if e["inside"][0].get("scope") == "row"]
    assert len(rows) == 2 + 4 * len(EVIL)
    assert not found.all("script")
    assert found.all("body")[0]["id"] == "0 too wide for a phone"


def test_memory_layer_by_layer():
    """8x8 pixels of 3 and 4 channels, then of 4 and of 6 in the place of 8, as float32."""
    inputs = image()
    before = keras.Model(inputs, head(conv(conv(inputs, 4, "a"), 8, "b")))
    after = th.strip(before, {"b": np.arange(8) < 6})
    comparison = th.compare(before, after)
    assert comparison.memory["a"] == (4 * 64 * 7, 4 * 64 * 7)
    assert comparison.memory["b"] == (4 * 64 * 12, 4 * 64 * 10)
    assert comparison.costs["memory, bytes"] == (4 * 64 * 12, 4 * 64 * 10)
    assert "Memory, layer by layer" in comparison.page()


def test_the_headline_has_no_units():
    costs = {"MACs": (4, 2), "memory, bytes": (8, 2), "latency, us": (10, 9)}
    text = page("", costs, {}, {}, {}).replace("\N{NO-BREAK SPACE}", " ")
    assert "50.0 % of the MACs, 25.0 % of the memory and 90.0 % of the latency." in text
