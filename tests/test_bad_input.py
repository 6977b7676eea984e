"""Every kind of bad input is refused with a message that says what to do."""

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image

import tf_hetero as th
from tf_hetero.testing import random_inputs

pytest.importorskip("tensorflow")

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X = np.ones((4, 8, 8, 3), "float32")
Y = np.array([0, 1, 2, 0])


@pytest.fixture
def model():
    return MODELS["chain"]()


def scores(model):
    return {g.name: np.arange(g.size) for g in th.trace(model).free_groups}


class Subclassed(keras.Model):
    def call(self, x):
        return x


def channels_first():
    inputs = keras.Input((3, 8, 8))
    x = keras.layers.Conv2D(4, 3, data_format="channels_first", name="a")(inputs)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: "model", r"must be a keras.Model. Received: str"),
        (
            lambda: Subclassed(),
            r"functional or Sequential.*Received: Subclassed.*to_functional",
        ),
        (
            lambda: keras.Sequential([keras.layers.Dense(2)]),
            r"must be built.*Add a keras.Input",
        ),
        (channels_first, r"on the last axis. Received: layer 'a'.*channels_last"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        th.trace,
        th.count,
        lambda m: th.widen(m, 2),
        lambda m: th.strip(m, {}),
        lambda m: th.select(m, {}, macs=0.5),
        lambda m: th.latent_saliency(m, X, Y, LOSS),
        lambda m: th.shrink(m, (X, Y), LOSS, macs=0.5),
        lambda m: th.compare(m, m),
    ],
)
def test_models_that_cannot_be_traced(function, build, message):
    with pytest.raises(ValueError, match=message):
        function(build())


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, r"A budget is needed"),
        ({"macs": 0.0}, r"above 0 and at most 1. Received: macs=0.0"),
        ({"macs": 1.5}, r"above 0 and at most 1. Received: macs=1.5"),
        ({"macs": -0.5}, r"above 0"),
        ({"macs": float("nan")}, r"above 0"),
        ({"params": 1}, r"at least 10000. Received: params=1. For a fraction write 1.0"),
        ({"macs": "half"}, r"float \(a fraction\) or an int.*Received: macs='half'"),
        ({"macs": True}, r"Received: macs=True"),
        (
            {"macs": 0.01},
            r"reachable value is [\d,]+, with 3 units: model (in|out)put; .* Raise the",
        ),
    ],
)
def test_budgets(model, budget, message):
    with pytest.raises(ValueError, match=message):
        th.select(model, scores(model), **budget)
    if budget.get("macs") != 1.5:  # of a baseline, that may be wished for
        message = message.replace("at most 1", "finite")
        with pytest.raises(ValueError, match=message):
            th.shrink(model, (X, Y), LOSS, **budget)


def test_scores_that_do_not_fit(model):
    good = scores(model)
    for bad, message in (
        ({**good, "c": np.ones(3)}, r"names of channel groups.*Received: \['c'\]"),
        ({"a": good["a"]}, r"Received: no scores for \['b'\]"),
        ({**good, "a": np.ones(3)}, r"one element for each of its 4 units.*\(3,\)"),
        ({**good, "a": np.array([1, 2, np.nan, 3])}, r"must be finite. Received: 1 values"),
    ):
        with pytest.raises(ValueError, match=message):
            th.select(model, bad, macs=0.5)


def test_masks_that_do_not_fit(model):
    for bad, message in (
        ({"x": np.ones(4, bool)}, r"Received: \['x'\]"),
        ({"a": np.ones(5, bool)}, r"one element for each of its 4 units"),
        ({"a": np.zeros(4, bool)}, r"keep at least one unit"),
        ({"a": np.ones(4)}, r"must be boolean. Received: dtype float64"),
        ({"head": np.array([True, False, True])}, r"frozen \(model output\). Received: 1"),
    ):
        with pytest.raises(ValueError, match=message):
            th.strip(model, bad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_conv_fraction": 1.2}, r"`min_conv_fraction` must be from 0 to 1"),
        ({"min_dense_fraction": -1}, r"`min_dense_fraction` must be from 0 to 1"),
        ({"min_channels": 0}, r"`min_channels` must be at least 1"),
        ({"multiple_of": 0}, r"`multiple_of` must be at least 1"),
        ({"multiple_of": {"a": 2, "stage9": 8}}, r"pattern of `multiple_of`.*'stage9'"),
        ({"min_channels": {"stage9": 8}}, r"pattern of `min_channels`.*'stage9'"),
        ({"max_fraction": 0}, r"`max_fraction` must be above 0, at most 1. Received: 0"),
        ({"max_fraction": {"b": 1.5}}, r"`max_fraction` must be above 0"),
        ({"only": ["stage9.*"]}, r"pattern of `only`.*'stage9"),
        ({"exclude": ("stage9.*",)}, r"Every pattern of `exclude`.*'stage9"),
    ],
)
def test_width_rules_of_select_and_shrink(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        th.select(model, scores(model), macs=0.5, widths=th.WidthRules(**arguments))
    with pytest.raises(ValueError, match=message):
        th.shrink(model, (X, Y), LOSS, macs=0.5, widths=th.WidthRules(**arguments))


def test_grouped_is_an_argument_of_trace_and_shrink(model):
    for call in (
        lambda: th.trace(model, grouped="all"),
        lambda: th.shrink(model, (X, Y), LOSS, macs=0.5, grouped="all"),
    ):
        with pytest.raises(ValueError, match=r"`grouped` must be one of.*Received: 'all'"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: th.shrink(m, (X, Y), LOSS, macs=0.5, min_conv_fraction=0.1),
            r"Write widths=tf_hetero.WidthRules\(min_conv_fraction=0.1\)",
        ),
        (
            lambda m: th.select(m, scores(m), macs=0.5, exclude=["a"]),
            r"not an argument of select.*WidthRules\(exclude=\['a'\]\)",
        ),
        (
            lambda m: th.shrink(m, (X, Y), LOSS, macs=0.5, width_multiplier=2.0),
            r"Write method=tf_hetero.LWDNA\(width_multiplier=2.0\)",
        ),
        (
            lambda m: th.shrink(m, (X, Y), LOSS, macs=0.5, method="dhp", epochs=60),
            r"Write method=tf_hetero.DHP\(epochs=60\)",
        ),
        (
            lambda m: th.shrink(m, (X, Y), LOSS, macs=0.5, strength=2.0),
            r"Write method=tf_hetero.MCH\(strength=2.0\)",
        ),
        (
            lambda m: th.strip(m, {}, grouped="blocks"),
            r"strip\(trace\(model, grouped='blocks'\), masks\)",
        ),
        (
            lambda m: th.shrink(m, (X, Y), LOSS, 0.5, callbacks=[object()]),
            r"search that trains. Received: 1 for the method 'lwdna'",
        ),
    ],
)
def test_arguments_that_moved_say_where(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_unknown_arguments_are_refused_as_python_does(model):
    for call in (th.select, th.strip, th.shrink, th.latent_saliency):
        with pytest.raises(TypeError, match=r"unexpected keyword argument 'colour'"):
            call(model, {}, {}, colour=1) if call is not th.strip else call(
                model, {}, colour=1
            )


def test_widths_that_no_group_can_have(model):
    for arguments, message in (
        ({"multiple_of": 8}, r"'a', with 4 channels.*multiple of 8.*exclude=\['a'\]"),
        ({"min_channels": 4, "max_fraction": 0.5}, r"from 4 \(its floor\) to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            th.select(model, scores(model), macs=0.5, widths=th.WidthRules(**arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "magic"}, r"`method` must be one of.*Received: 'magic'"),
        ({"method": "mch", "data": (X, Y + 1)}, r"Labels must be from 0 to 2"),
        ({"method": "mch", "macs": 0.01}, r"smallest reachable value"),
        ({"method": "mch", "macs": -0.5}, r"above 0 and finite"),
        (
            {"method": th.LWDNA(width_multiplier=0)},
            r"`width_multiplier` must be a positive number",
        ),
        ({"method": "dhp", "data": (X, Y + 1)}, r"Labels must be from 0 to 2"),
        ({"method": "dhp", "macs": 0.01}, r"smallest reachable value"),
        (
            {"method": th.LWDNA(width_multiplier=0.1)},
            r"at least one unit.*empties \['a', 'b'\]",
        ),
        ({"loss": None}, r"A loss is needed"),
        ({"data": (X, Y, Y, Y)}, r"must be \(x, y\) or .*sample_weight\). Received: 4"),
        ({"data": (X, Y, Y * np.nan)}, r"the sample weights hold values"),
        ({"data": (X.tolist(), Y.tolist())}, r"must be arrays.*lists.*numpy.asarray"),
        ({"data": (X, Y[:2])}, r"same number of examples.*Received: \[2, 4\]"),
        ({"data": (X[:0], Y[:0])}, r"at least one. Received: \[0\]"),
        ({"data": iter([])}, r"at least one batch. Received: an empty dataset"),
        ({"data": iter([X])}, r"give batches \(x, y\).*Received: batches of ndarray"),
        ({"data": 7}, r"must be a tuple.*Received: int"),
        ({"data": (X, Y + 1)}, r"Labels must be from 0 to 2.*Received: labels from 1 to 3"),
        ({"data": (X, Y - 1)}, r"labels from -1 to 1"),
        ({"data": (X * np.nan, Y)}, r"must be finite.*the input holds values"),
        (
            {"loss": "categorical_crossentropy"},
            r"a number for each class.*Received: .*\(4,\).*sparse loss",
        ),
        ({"data": ((X, X), Y)}, r"one array for each input.*\(8, 8, 3\), \(8, 8, 3\)\]"),
        ({"data": (X[:, :4], Y)}, r"shapes \[\(4, 8, 3\)\] for inputs.*\(8, 8, 3\)"),
    ],
)
def test_arguments_of_shrink(model, arguments, message):
    given = {"data": (X, Y), "loss": LOSS, "macs": 0.9, **arguments}
    with pytest.raises(ValueError, match=message):
        th.shrink(model, **given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: th.LWDNA(criterion="luck"), r"`criterion` must be one of.*'luck'"),
        (lambda: th.LWDNA(weights="old"), r"`weights` must be one of.*'old'"),
        (lambda: th.LWDNA(embedding_dim=0), r"`embedding_dim` must be at least 1"),
        (
            lambda: th.LWDNA(from_weights=True, width_multiplier=2.0),
            r"needs width_multiplier=1. Received: .*2.0",
        ),
        (
            lambda: th.DHP(from_weights=True, width_multiplier=2.0),
            r"needs width_multiplier=1. Received: .*2.0",
        ),
        (lambda: th.DHP(epochs=0), r"`epochs` must be at least 1"),
        (lambda: th.DHP(optimizer="sgd"), r"must be a ProximalSGD.*Received: str"),
        (lambda: th.DHP(decay_at=(3, 2)), r"`decay_at` must be growing epochs"),
        (lambda: th.MCH(epochs=0), r"`epochs` must be at least 1"),
        (lambda: th.MCH(optimizer="sgd"), r"keras.optimizers.Adam.*str"),
        (lambda: th.MCH(temperature=-1.0), r"`temperature` must be at least 0"),
    ],
)
def test_methods_are_checked_when_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_hyper_models_are_refused(model):
    hyper = th.reparameterize(model)
    for call in (th.shrink, th.latent_saliency):
        arguments = {"macs": 0.5} if call is th.shrink else {}
        with pytest.raises(ValueError, match="must be a plain model"):
            call(hyper, *([(X, Y)] if call is th.shrink else [X, Y]), LOSS, **arguments)


def frozen_whole():
    inputs = image()
    function = keras.layers.Lambda(lambda t: t * 2, mask=lambda t, mask: mask)
    x = function(conv(inputs, 4, "a"))
    return keras.Model(inputs, head(x))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            frozen_whole,
            r"one channel group.*8 units: a Lambda.*keras.ops; 3 units: .*rule",
        ),
        (
            lambda: keras.Sequential([image(), keras.layers.GlobalMaxPooling2D()]),
            r"must have a convolution or a dense layer.*without one",
        ),
    ],
)
def test_models_with_nothing_to_shrink(build, message):
    model = build()
    for call in (
        lambda: th.select(model, {}, macs=0.5),
        lambda: th.latent_saliency(model, X, Y, LOSS),
        lambda: th.shrink(
            model, (X, Y), LOSS, macs=0.5, method=th.LWDNA(from_weights=True)
        ),
    ):
        with pytest.raises(ValueError, match=f"(?i){message}"):
            call()


def test_a_model_without_channels_is_refused():
    inputs = keras.Input((8, 8, 0), name="empty")
    with pytest.raises(ValueError, match=r"at least one element.*Received: .*'empty'"):
        th.trace(keras.Model(inputs, keras.layers.ZeroPadding2D()(inputs)))


def test_a_loss_that_is_not_finite_names_the_layer():
    inputs = image()
    x = keras.layers.Rescaling(1e38, name="explosion")(conv(inputs, 4, "a"))
    model = keras.Model(inputs, head(keras.layers.Rescaling(1e38, name="again")(x)))
    with pytest.raises(ValueError, match=r"first layer whose output.*'again'"):
        th.latent_saliency(model, X, Y, LOSS)


def test_targets_for_every_output():
    model = MODELS["several_inputs_and_outputs"]()
    with pytest.raises(ValueError, match=r"2 outputs, 1 targets"):
        th.latent_saliency(model, random_inputs(model, 4), Y, LOSS)


def test_rules_are_checked():
    class Odd(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1],), name="w")

        def call(self, x):
            return x * self.w

    inputs = image()
    model = keras.Model(inputs, head(Odd(name="odd")(conv(inputs, 4, "a"))))
    answers = {}
    th.register_rule(Odd, lambda call: answers["rule"](call))
    for rule, message in (
        (lambda c: None, r"must return an Outcome with 1 outputs. Received: None"),
        (lambda c: th.Outcome(()), r"must return an Outcome with 1 outputs"),
        (lambda c: th.Outcome((c.channels(),)), r"an axis for each non-batch axis.*\(4,\)"),
        (
            lambda c: th.Outcome((c.inputs[0],), {"w": th.Weight((c.channels()[:2],))}),
            r"as many channels along each axis of 'w'.*Received: \(2,\)",
        ),
    ):
        answers["rule"] = rule
        with pytest.raises(ValueError, match=message):
            th.trace(model)
    with pytest.raises(ValueError, match=r"Each class has one rule. Received: .*Odd"):
        th.register_rule(Odd, answers["rule"])
    with pytest.raises(ValueError, match=r"subclass of keras.layers.Layer"):
        th.register_rule(int, answers["rule"])


def test_weights_that_no_rule_explains_freeze_the_layer():
    inputs = image()
    dense = keras.layers.Dense(4, name="a")
    model = keras.Model(inputs, head(dense(inputs)))
    dense.enable_lora(2)
    (group,) = (g for g in th.trace(model).groups if g.name == "a")
    assert group.frozen == "weights that no rule explains"
