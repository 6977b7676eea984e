"""Visual tracking: one object followed through a video, from its box in the first frame.

Imports datasets (how files are read), graph and files; the command line and `tools`
import it.
"""
