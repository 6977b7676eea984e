"""How channels are scored: one package a method, and what the methods share.

`lwdna` takes one gradient pass, `dhp` trains a hyper model, `mch` a hyper-structure
network. Methods never import each other; what they share lies beside them.

May import `graph`, `data`, `widths`, `surgery`, `hypernetwork` and `proximal`.
"""
