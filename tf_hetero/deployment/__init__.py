"""Exports for serving, for devices and for other runtimes, run before they are kept.

Imports what stands below, not `shrinking` and `tfmot`; `cli` may import it.
"""
