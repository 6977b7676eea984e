"""Exports for serving, for devices and for other runtimes, run before they are kept.

May import everything but `shrinking`, `tfmot` and `cli`.
"""
