"""How channels are scored: one package a method, and what the methods share.

`lwdna` takes one gradient pass, `dhp` trains a hyper model, `mch` a hyper-structure
network. Methods never import each other; what they share lies beside them.

Imports `graph`, `data`, `widths`, `surgery`, `hypernetwork` and `proximal`; the facade
(`shrinking`), `deployment` and `cli` may import it.
"""
