"""A latency table of a device that is made up, and a network that it knows."""

import keras
import numpy as np
from graphs import conv, head

import tf_hetero as th
from tf_hetero.latency.features import key_of, terms_of
from tf_hetero.widths.operations import ids_by_tensor, operations

layers = keras.layers
CALL, TENSOR, KERNEL = 0.001, 1e-4, 2e-5  # milliseconds of a device that is made up


def chain(widths=(8, 12), size=8):
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.BatchNormalization()(conv(inputs, widths[0], "a"))
    x = conv(layers.ReLU()(x), widths[1], "b")
    return keras.Model(inputs, head(x))


def made_up(model, step=1, samples=6):
    """A table of a device on which a call, a channel and a product cost what they do.

    With a step, channels come by so many at once, and nothing but products costs.
    """
    graph, entries, models = th.trace(model), {}, []
    rng = np.random.default_rng(0)
    for number in range(samples):
        masks = {
            g.name: np.arange(g.size) < (g.size if not number else rng.integers(1, g.size))
            for g in graph.free_groups
        }
        sample = th.trace(th.strip(graph, masks))
        ids_of, total, whole = ids_by_tensor(sample), 0.0, []
        for operation in operations(sample):
            key, terms = key_of(operation, ids_of), terms_of(operation, ids_of)
            lengths = [term.lengths for term in terms]
            ms = sum(_milliseconds(t.lengths, t.roles, step) for t in terms)
            entry = {"key": key, "names": [operation.name], "points": []}
            entry = entries.setdefault(key, entry | {"roles": [t.roles for t in terms]})
            entry["points"].append({"lengths": lengths, "ms": [ms, ms, ms]})
            whole.append([key, lengths])
            total += ms
        models.append({"operations": whole, "ms": [total] * 3})
    return th.LatencyTable("litert", "float32", "made up", 1, [*entries.values()], models)


def _milliseconds(lengths, roles, step):
    if not roles:
        return CALL
    if len(roles) == 1:
        return TENSOR * lengths[0] if step == 1 else 0.0
    return KERNEL * float(np.prod([-(-n // step) * step for n in lengths]))
