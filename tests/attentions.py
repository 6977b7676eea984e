"""Small models with attention heads, and what tracing must find.

As in `graphs`: `EXPECTED` holds, derived by hand from the drawing, the unfrozen
groups as `{name: (units, layers)}`.
"""

import keras

layers, ops = keras.layers, keras.ops

MODELS = {}
EXPECTED = {}


def heads(**groups):
    """Registers a builder with its expected groups."""

    def register(build):
        MODELS[build.__name__] = build
        EXPECTED[build.__name__] = groups
        return build

    return register


def tokens(width=6):
    """image -> stem -> 16 tokens"""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(width, 3, strides=2, padding="same", name="stem")(inputs)
    return inputs, layers.Reshape((16, width))(x)


def classified(inputs, x):
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@heads(
    stem=(6, "stem attention project"),
    attention=(3, "attention"),
    mlp=(10, "mlp"),
)
def vision_transformer():
    """stem -+-> norm -> attention -+-> norm -> mlp -> project -+-> head
    +----------------------+     +---------------------------+
    """
    inputs, x = tokens()
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(3, 4, name="attention")(y, y)])
    y = layers.Dense(10, activation="gelu", name="mlp")(layers.LayerNormalization()(x))
    return classified(inputs, layers.Add()([x, layers.Dense(6, name="project")(y)]))


@heads(
    stem=(6, "stem"),
    q=(5, "q"),
    k=(7, "k"),
    **{"attention": (3, "attention"), "attention-1": (5, "attention")},
)
def cross_attention():
    """q (5) asks, k (7) answers, the stem (6) is passed on: as wide as q by default"""
    inputs, x = tokens()
    q = layers.Dense(5, name="q")(layers.MaxPooling1D(2)(x))
    layer = layers.MultiHeadAttention(
        3, 2, 4, use_bias=False, dropout=0.1, name="attention"
    )
    y = layer(q, x, key=layers.Dense(7, name="k")(x), use_causal_mask=True)
    return classified(inputs, y)


@heads(
    stem=(6, "stem"),
    **{"attention": (2, "attention"), "attention-1": (4, "attention")},
)
def attention_along_rows():
    """Attention along one of two axes of pixels, gated, with two axes of outputs"""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(6, 3, strides=2, name="stem")(inputs)
    layer = layers.MultiHeadAttention(
        2, 3, output_shape=(2, 4), attention_axes=(2,), use_gate=True, name="attention"
    )
    return keras.Model(inputs, layers.Dense(3, name="head")(layer(x, x)))


@heads(
    stem=(6, "stem query attention"),
    attention=(2, "attention"),
    key=(5, "key"),
)
def grouped_queries():
    """Four heads of queries on two of keys; the output is as wide as query and value"""
    inputs, x = tokens()
    query, key = layers.Dense(6, name="query")(x), layers.Dense(5, name="key")(x)
    layer = layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="attention")
    return classified(inputs, layer(query, value=x, key=key))


@heads(
    stem=(6, "stem"),
    **{"attention": (2, "attention"), "attention-1": (6, "attention")},
)
def attention_called_twice():
    """One attention on the tokens and on each second of them"""
    inputs, x = tokens()
    layer = layers.MultiHeadAttention(2, 3, output_shape=6, name="attention")
    short = layers.MaxPooling1D(2)(x)
    return classified(inputs, layers.MaxPooling1D(2)(layer(x, x)) + layer(short, short))


@heads(stem=(6, "stem"), a=(5, "a"), b=(4, "b"), c=(3, "c"))
def einsum_dense():
    """stem -> a -> scaled -> b (2 x 4 of one token) -> c (3 x 2): as Dense layers"""
    inputs, x = tokens()
    options = {"activation": "relu", "bias_axes": "b", "name": "a"}
    x = layers.EinsumDense("abc,cd->abd", (16, 5), **options)(x)
    x = layers.EinsumDense("abc,c->abc", (16, 5), bias_axes="bc", name="scaled")(x)
    x = layers.EinsumDense("...c,ecd->...de", (4, 2), bias_axes="e", name="b")(x)
    x = layers.EinsumDense("ab...,bc->ac...", 3, bias_axes="c", name="c")(
        ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 4, 32))
    )
    x = layers.EinsumDense("acd,cde->ae", 2, bias_axes="e", name="head")(x)
    return keras.Model(inputs, x)


def project(x, name, heads=3, size=4, **kwargs):
    layer = layers.EinsumDense(
        "btc,chd->bthd", (None, heads, size), bias_axes="hd", name=name, **kwargs
    )
    return layer(x)


@heads(
    stem=(6, "stem"),
    out=(5, "out"),
    query=(3, "query key value"),
)
def attention_by_einsum():
    """Attention written with EinsumDense and einsum, its queries normalised"""
    inputs, x = tokens()
    query, key, value = (project(x, name) for name in ("query", "key", "value"))
    query = layers.LayerNormalization()(query)
    scores = ops.einsum("bqhd,bkhd->bhqk", query / 2.0, key)
    mixed = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), value)
    mixed = layers.EinsumDense("bthd,hde->bthe", (None, 3, 2), name="batched")(mixed)
    layer = layers.EinsumDense("bthe,hec->btc", (None, 5), bias_axes="c", name="out")
    return classified(inputs, layer(mixed))


@heads(
    stem=(6, "stem"),
    query=(3, "query key value"),
)
def attention_by_matmul():
    """The same with the heads in front of the tokens, matmul, Reshape and Dense"""
    inputs, x = tokens()
    query, key, value = (
        layers.Permute((2, 1, 3))(project(x, name)) for name in ("query", "key", "value")
    )
    scores = ops.matmul(query, layers.Permute((1, 3, 2))(key))
    mixed = ops.matmul(layers.Softmax()(scores), value)
    mixed = layers.Reshape((16, 12))(layers.Permute((2, 1, 3))(mixed))
    return classified(inputs, mixed)


@heads(
    stem=(6, "stem"),
    out=(5, "out"),
    query=(3, "query key value"),
)
def attention_by_one_operation():
    """ops.dot_product_attention between projections of heads"""
    inputs, x = tokens()
    parts = [project(x, name) for name in ("query", "key", "value")]
    mixed = ops.dot_product_attention(*parts)
    layer = layers.EinsumDense("bthd,hdc->btc", (None, 5), bias_axes="c", name="out")
    return classified(inputs, layer(mixed))


def split_into(x, shape, order, name):
    """Dense to the product of a shape after the tokens, split into it, and put in order"""
    width = 1
    for size in shape:
        width *= size
    x = layers.Reshape((x.shape[1], *shape))(layers.Dense(width, name=name)(x))
    return ops.transpose(x, order)


@heads(
    stem=(6, "stem"),
    out=(5, "out"),
    query=(3, "query key value"),
)
def attention_by_dense():
    """Dense and Reshape to heads of 4"""
    inputs, x = tokens()
    query, key, value = (
        split_into(x, (3, 4), (0, 2, 1, 3), name) for name in ("query", "key", "value")
    )
    scores = ops.softmax(query @ ops.transpose(key, (0, 1, 3, 2)))
    mixed = layers.Reshape((16, 12))(ops.transpose(scores @ value, (0, 2, 1, 3)))
    return classified(inputs, layers.Dense(5, name="out")(mixed))


@heads(
    stem=(6, "stem out"),
    both=(3, "both"),
)
def attention_by_one_dense():
    """One Dense for query, key and value; keys normalised over the channels of a head"""
    inputs, x = tokens()
    parts = split_into(x, (3, 3, 4), (2, 0, 3, 1, 4), "both")
    query, key, value = ops.unstack(parts, axis=0)
    key = key / ops.sqrt(ops.sum(key * key, axis=-1, keepdims=True) + 1.0)
    scores = ops.softmax(ops.einsum("bhqd,bhkd->bhqk", query, key) * 0.5)
    mixed = ops.einsum("bhqk,bhkd->bqhd", scores, value)
    mixed = ops.reshape(mixed, (-1, 16, 12))
    return classified(inputs, x + layers.Dense(6, name="out")(mixed))


@heads(
    stem=(6, "stem"),
    query=(2, "query both"),
)
def attention_by_index():
    """Keys and values in front of the batch, queries of one token"""
    inputs, x = tokens()
    query = split_into(x[:, :1], (2, 3), (0, 2, 1, 3), "query")
    both = split_into(x, (2, 2, 3), (2, 0, 3, 1, 4), "both")
    mixed = ops.softmax(query @ ops.transpose(both[0], (0, 1, 3, 2))) @ both[1]
    return classified(inputs, layers.Reshape((1, 6))(mixed))


@heads(
    stem=(6, "stem"),
    both=(2, "both"),
    out=(5, "out"),
)
def attention_of_a_convolution():
    """1x1 convolution to 2 heads of 3 + 3 + 4, and a depthwise one for where they are"""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="stem")(inputs)
    both = layers.Reshape((16, 2, 10))(layers.Conv2D(20, 1, name="both")(x))
    query, key, value = ops.split(both, [3, 6], axis=-1)
    scores = ops.softmax(ops.einsum("bqhd,bkhd->bhqk", query, key))
    mixed = ops.einsum("bhqk,bkhd->bqhd", scores, value)
    mixed = layers.Reshape((4, 4, 8))(mixed)
    value = layers.Reshape((4, 4, 8))(value)
    mixed += layers.DepthwiseConv2D(3, padding="same", name="place")(value)
    return classified(
        inputs, layers.Reshape((16, 5))(layers.Conv2D(5, 1, name="out")(mixed))
    )


@heads(
    stem=(6, "stem"),
    a=(2, "a"),
)
def normalisation_by_hand():
    """stem -> a, 2 groups of 4 channels, each over its standard deviation -> head"""
    inputs, x = tokens()
    x = layers.Reshape((16, 2, 4))(layers.Dense(8, name="a")(x))
    x = layers.Reshape((16, 8))(x / (ops.std(x, axis=-1, keepdims=True) + 1.0))
    return classified(inputs, x)
