"""Milliseconds: what operations cost on a device, measured, and any widths from that.

Imports graph, data, widths, surgery, report and deployment; shrinking and cli import it.
"""
