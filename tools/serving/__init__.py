"""The server behind `tools.serve`: requests, batches, answers."""
