"""Experiments: one file each, run by `python -m tools.train`."""
