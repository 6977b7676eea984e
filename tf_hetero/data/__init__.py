"""What users bring beside a model: examples in batches, and losses on them.

Imports `graph`; surgery, methods and what stands above may import it.
"""
