"""What `tools.benchmark` measures: one module a benchmark, and how times are taken."""
