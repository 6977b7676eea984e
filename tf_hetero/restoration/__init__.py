"""Restoration: pictures of any size through networks that make pictures of pictures.

Imports graph and files; the facade and the command line import it.
"""
