"""What one process measures of itself."""

import numpy as np

from tools.benchmarks import measuring


def test_the_peak_is_what_a_step_held_and_let_go():
    found = measuring.measured(lambda: lambda: np.ones(16 << 20, np.float32), steps=1)
    assert 60 < found["peak"] < 80 and found["cpu"] > 0
