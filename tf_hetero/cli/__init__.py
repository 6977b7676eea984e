"""The command `tf-hetero`: from file to file, without writing Python.

May import everything; nothing imports it but `tools`.
"""
