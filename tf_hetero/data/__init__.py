"""What users bring beside a model: examples in batches, and losses on them.

May import `graph`.
"""
