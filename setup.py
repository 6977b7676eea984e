"""Packaging; the version is in tf_hetero/version.py."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "tf_hetero" / "version.py").read_text()
).group(1)

EXTRAS = {
    "demo": ["scikit-learn>=1.4"],
    "gpu": ["tensorflow[and-cuda]>=2.21"],
    "hub": ["keras-hub>=0.32"],
    "onnx": ["onnxruntime>=1.20", "tf2onnx>=1.17"],
    "serve": ["aiohttp>=3.14"],
    "neighbours": ["torch-pruning>=1.6", "torchvision"],
}
EXTRAS["test"] = [
    *EXTRAS["demo"],
    *EXTRAS["onnx"],
    *EXTRAS["serve"],
    "hypothesis>=6.100",
    "mypy>=1.10",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "ruff>=0.17,<0.18",
]

setup(
    name="tf_hetero",
    version=VERSION,
    description="Channel widths for Keras CNNs: LW-DNA, DHP and MCH for any static model",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["tf_hetero", "tf_hetero.*"]),
    python_requires=">=3.11,<3.14",
    install_requires=[
        "absl-py",
        "importlib_resources",  # tensorflow-datasets prepares nothing without it
        "keras>=3.14",
        "matplotlib>=3.8",
        "ml_collections>=1.0",
        "numpy>=1.26",
        "tensorboard",
        "tensorflow>=2.21",
        "tensorflow-datasets",
        "tensorflow-model-optimization",
    ],
    extras_require=EXTRAS,
)
