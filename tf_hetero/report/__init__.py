"""Before and after: comparing two models, and a page about it for people.

Imports `graph`, `widths` and `files`; `deployment` and `cli` may import it.
"""
