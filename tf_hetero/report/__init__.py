"""Before and after: comparing two models, and a page about it for people.

May import `graph` and `widths`.
"""
