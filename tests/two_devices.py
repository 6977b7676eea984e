"""Scripts in a process whose CPU is two devices: what replicas must not change."""

import os
import subprocess
import sys

from reference import ROOT

PRELUDE = """
import contextlib, sys
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, tf_hetero as th
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
scopes, results = (contextlib.nullcontext(), two.scope()), []
"""
FOLDERS = ("", "tests", "tests/methods")


def run_on_two_devices(script, *arguments):
    """`scopes` are those of one device and of two; `results` an empty list."""
    folders = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script, *arguments],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": folders},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
