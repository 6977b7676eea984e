"""What masks mean: costs, which widths are allowed, and the selection under a budget.

May import `graph`.
"""
