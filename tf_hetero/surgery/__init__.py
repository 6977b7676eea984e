"""A model in, a model out: rebuilding, widening, stripping, measuring statistics anew.

May import `graph`, `data` and `widths`.
"""
