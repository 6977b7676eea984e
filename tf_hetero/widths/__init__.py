"""What masks mean: costs, which widths are allowed, and the selection under a budget.

Imports `graph`; surgery, methods and what stands above may import it.
"""
