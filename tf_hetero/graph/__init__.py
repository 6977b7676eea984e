"""Naming every channel of a model: ids, units, channel groups, and the rules of layers.

A model is flattened to a list of calls (`flattening`, `opening`), the rule of each call
(`rules`) says how channels pass it (`tracing`), and what has to live and die together
comes out as a `ChannelGraph` (`channels`, `channel_ids`). Keras's private parts are in
`keras_internals` alone.

Imports nothing of this package; everything else may import it.
"""
