"""Restoration: pictures of any size through networks that make pictures of pictures.

Imports datasets (how files are read), graph and files; the facade, the command line and
`tools` import it.
"""
