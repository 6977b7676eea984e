"""The command `tf-hetero`: from file to file, without writing Python.

Imports everything; only `tools` may import it.
"""
