"""Selection: budgets, floors, ties, and the authors' own masks."""

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image, small_application
from reference import DATA

import tf_hetero as th
from tf_hetero import models
from tf_hetero.widths.width_rules import classifiers, read_by_classifiers


def scores_of(model, seed=0):
    rng = np.random.default_rng(seed)
    return {g.name: rng.random(g.size) for g in th.trace(model).free_groups}


def authors_groups(graph):
    """Our group for each of the authors' latents: stages 0 to 3, then blocks."""
    names = ["stem", "stage2_block1_conv2", "stage3_block1_conv2"]
    names += [f"stage{s}_block{b}_conv1" for s in (1, 2, 3) for b in (1, 2, 3)]
    assert {g.name for g in graph.free_groups} == set(names)
    return dict(zip(names, range(1, 13), strict=True))


@pytest.mark.parametrize("kind", ["grad", "magnitude"])
@pytest.mark.parametrize("floor", ["-1", "0.1", "0.4"])
@pytest.mark.parametrize("target", ["0.25", "0.5"])
def test_masks_equal_those_of_the_authors_search(kind, floor, target):
    """ResNet-20 x2: at the MACs that their search ended with, the same masks."""
    setting = f"{kind}_rp{floor}_mc4_t{target}_conv_linear"
    with np.load(DATA / "search_resnet20_w2.npz") as data:
        model = models.ResNet20(width_multiplier=2)
        assert th.count(model).macs == data["full_flops_conv_linear"]
        latents = authors_groups(th.trace(model))
        prefix = "g" if kind == "grad" else "z"
        scores = {name: np.abs(data[f"{prefix}{i}"]) for name, i in latents.items()}
        masks = th.select(
            model,
            scores,
            macs=int(data[f"{setting}__flops_conv_linear"]),
            refill=False,
            widths=th.WidthRules(
                min_conv_fraction=0.0 if floor == "-1" else float(floor),
                min_channels=4 if floor == "-1" else 1,
                exclude="stage3_block1_conv2",
            ),
        )
        for name, i in latents.items():
            np.testing.assert_array_equal(masks[name], data[f"{setting}__mask{i}"])


@pytest.mark.parametrize("macs", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", ["residual", "concatenated", "grouped_blocks", "nested"])
def test_result_fits_and_no_removed_unit_does(name, macs):
    model = MODELS[name]()
    masks = th.select(
        model,
        scores_of(model),
        macs=macs,
        widths=th.WidthRules(min_conv_fraction=0, min_dense_fraction=0),
    )
    budget = int(macs * th.count(model).macs)
    assert th.count(th.strip(model, masks)).macs <= budget
    for group, mask in masks.items():
        for unit in np.flatnonzero(~mask):
            more = {**masks, group: mask.copy()}
            more[group][unit] = True
            assert th.count(th.strip(model, more)).macs > budget


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_budget_is_used_up_to_half_a_percent(name):
    model = small_application(name)
    budget = int(0.5 * th.count(model).macs)
    masks = th.select(model, scores_of(model), macs=0.5)
    macs = th.count(th.strip(model, masks)).macs
    assert 0.995 * budget <= macs <= budget


def test_best_units_survive():
    """chain: a costs per unit 64*27 + 16*9*6; the two best of a and b stay."""
    model = MODELS["chain"]()
    scores = {"a": np.array([0.1, 0.9, 0.2, 0.8]), "b": np.linspace(0.3, 0.7, 6)}
    # two units of a and three of b: 64*27*2 + 16*9*2*3 + 3*3 = 4329
    masks = th.select(
        model,
        scores,
        macs=4330 / th.count(model).macs,
        widths=th.WidthRules(min_dense_fraction=0),
    )
    np.testing.assert_array_equal(masks["a"], [False, True, False, True])
    np.testing.assert_array_equal(masks["b"], [False] * 3 + [True] * 3)


def test_ties_go_to_the_first_channel():
    model = MODELS["chain"]()
    scores = {"a": np.ones(4), "b": np.ones(6)}
    masks = th.select(model, scores, macs=0.4, widths=th.WidthRules(min_dense_fraction=0))
    for mask in masks.values():
        assert (np.diff(mask.astype(int)) <= 0).all()


def test_floors_are_fractions_of_the_size():
    model = models.ResNet20()
    scores = {g.name: np.arange(g.size) for g in th.trace(model).free_groups}
    masks = th.select(
        model,
        scores,
        macs=0.21,
        widths=th.WidthRules(min_conv_fraction=0.4, min_dense_fraction=0.55),
    )
    kept = {name: int(mask.sum()) for name, mask in masks.items()}
    assert kept["stem"] >= int(16 * 0.4)
    assert kept["stage3_block1_conv2"] >= int(64 * 0.55)  # what the classifier reads
    assert min(kept.values()) == 6


def test_budgets_on_parameters_and_on_both():
    model = models.ResNet20()
    scores, full = scores_of(model), th.count(model)
    both = th.count(th.strip(model, th.select(model, scores, macs=0.5, params=0.3)))
    assert both.macs <= 0.5 * full.macs and both.params <= 0.3 * full.params
    params = th.count(th.strip(model, th.select(model, scores, params=0.3)))
    assert 0.29 * full.params < params.params <= 0.3 * full.params


@pytest.mark.parametrize("budget", [0.5, 21_000_000])
def test_a_budget_in_the_papers_count(budget):
    """One for a MAC, two for an element of a normalisation, one for one of a ReLU."""
    model = models.ResNet20()
    scores, whole = scores_of(model), th.count(model).papers_flops
    small = th.count(th.strip(model, th.select(model, scores, papers_flops=budget)))
    most = budget if budget > 1 else budget * whole
    assert 0.99 * most < small.papers_flops <= most
    assert small.papers_flops > small.macs
    with pytest.raises(ValueError, match=r"at least 10000. Received: papers_flops=1\."):
        th.select(model, scores, papers_flops=1)


def test_widths_are_rounded_to_multiples():
    model = models.ResNet20()
    masks = th.select(
        model, scores_of(model), macs=0.5, widths=th.WidthRules(multiple_of=8)
    )
    assert {int(mask.sum()) % 8 for mask in masks.values()} == {0}
    assert th.count(th.strip(model, masks)).macs <= 0.5 * th.count(model).macs
    shuffle = MODELS["pixel_shuffle"]()  # a unit of `a` is four channels
    masks = th.select(
        shuffle, scores_of(shuffle), macs=0.8, widths=th.WidthRules(multiple_of={"a": 8})
    )
    assert masks["a"].sum() * 4 % 8 == 0


def test_floors_ceilings_and_multiples_a_group():
    """The first pattern that matches a group counts; groups without one are free."""
    model = models.ResNet20()
    masks = th.select(
        model,
        scores_of(model),
        macs=0.3,
        widths=th.WidthRules(
            min_channels={"stage3_block2_conv1": 50, "stage3_.*_conv1": 40},
            max_fraction={"stage1_.*": 0.5},
            multiple_of={"stage2_block1_conv1": 16},
        ),
    )
    kept = {name: int(mask.sum()) for name, mask in masks.items()}
    assert kept["stage3_block2_conv1"] >= 50
    assert min(kept["stage3_block1_conv1"], kept["stage3_block3_conv1"]) >= 40
    assert max(kept[f"stage1_block{i}_conv1"] for i in (1, 2, 3)) <= 8
    assert kept["stage2_block1_conv1"] in (16, 32)
    assert {n % 16 for n in kept.values()} != {0}


def test_floors_as_fractions_a_group():
    """A group that no pattern matches has the default, 0.2."""
    model = models.ResNet20()
    rules = th.WidthRules({"stage2_block1_conv1": 0.6, "stage3_.*": 0.3})
    graph = th.trace(model)
    floors = {
        group.name: int(counts[0])
        for group, counts in zip(graph.groups, rules.allowed_units(graph), strict=True)
    }
    assert floors["stage2_block1_conv1"] == 19 and floors["stage3_block2_conv1"] == 19
    assert floors["stage1_block1_conv1"] == 3
    with pytest.raises(ValueError, match=r"`min_conv_fraction` must be from 0 to 1"):
        th.WidthRules({"stem": 1.5})


def test_only_the_named_groups_shrink():
    model = models.ResNet20()
    masks = th.select(
        model,
        scores_of(model),
        macs=0.8,
        widths=th.WidthRules(only="stage3_.*", exclude="stage3_block3_conv1"),
    )
    cut = {name for name, mask in masks.items() if not mask.all()}
    assert cut and all(name.startswith("stage3_") for name in cut)
    assert "stage3_block3_conv1" not in cut


def test_excluded_groups_stay_whole():
    model = models.ResNet20()
    masks = th.select(
        model, scores_of(model), macs=0.6, widths=th.WidthRules(exclude=["stage3_.*_conv1"])
    )
    whole = {name for name, mask in masks.items() if mask.all()}
    assert {f"stage3_block{i}_conv1" for i in (1, 2, 3)} <= whole


def test_classifiers_are_heads_on_one_pixel():
    def names(model):
        return [site.call.name for site in classifiers(th.trace(model))]

    inputs = image()
    assert names(keras.Model(inputs, conv(conv(inputs, 4, "a"), 2, "map"))) == []
    assert names(MODELS["several_inputs_and_outputs"]()) == ["head"]
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(conv(inputs, 4, "a"))
    x = keras.layers.Flatten()(conv(x, 3, "logits", kernel=1))
    assert names(keras.Model(inputs, keras.layers.Activation("tanh")(x))) == ["logits"]


def test_every_group_that_a_classifier_reads_has_its_floor():
    assert len(read_by_classifiers(th.trace(small_application("DenseNet121")))) == 17


def test_hidden_dense_layers_are_not_classifiers():
    graph = th.trace(MODELS["flattened"]())
    assert [group.name for group in read_by_classifiers(graph)] == ["hidden"]


def test_head_of_a_model_may_be_activated():
    inputs = image()
    outputs = keras.layers.Softmax()(head(conv(inputs, 4, "a")))
    assert [s.call.name for s in classifiers(th.trace(keras.Model(inputs, outputs)))] == [
        "head"
    ]
