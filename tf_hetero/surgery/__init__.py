"""A model in, a model out: rebuilding, widening, stripping, measuring statistics anew.

Imports `graph`, `data` and `widths`; methods and what stands above may import it.
"""
