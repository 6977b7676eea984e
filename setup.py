"""Packaging; the version is in tf_hetero/version.py."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "tf_hetero" / "version.py").read_text()
).group(1)

EXTRAS = {
    "train": [
        "absl-py",
        "importlib_resources",  # tensorflow-datasets prepares nothing without it
        "matplotlib>=3.8",
        "ml_collections>=1.0",
        "scikit-image>=0.22",
        "scikit-learn>=1.4",
        "tensorboard",
        "tensorflow-datasets",
    ],
    "tfmot": ["tensorflow-model-optimization", "tf_keras>=2.21"],
    "onnx": ["onnxruntime>=1.20", "tf2onnx>=1.17"],
    "serve": ["absl-py", "aiohttp>=3.14"],
    "jax": ["jax>=0.5"],
    "ray": ["ray[default]>=2.50"],
    "hub": ["keras-hub>=0.32"],
    "zoo": [  # what tools.coverage --third_party proves
        "keras-hub>=0.32",
        "keras-unet-collection>=0.1.13",
        "kimm>=0.2.5",
        "kyolo>=0.1.5",
        "medicai>=0.0.4",
        "segmodels-keras>=0.1.0.dev13",
    ],
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6", "mkdocstrings[python]>=1.0"],
    "gpu": ["tensorflow[and-cuda]>=2.21"],
    "neighbours": [
        "opencv-contrib-python-headless>=4.9",
        "torch-pruning>=1.6",
        "torchvision",
    ],
}
# What runs on any machine; the others are large, or for some machines or people only.
EXTRAS["all"] = [p for extra in ("train", "tfmot", "onnx", "serve") for p in EXTRAS[extra]]
EXTRAS["test"] = [
    *EXTRAS["all"],
    *EXTRAS["docs"],
    "build>=1.2",
    *EXTRAS["jax"],
    *EXTRAS["ray"],
    "cogapp>=3.4",
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
    keywords="keras tensorflow pruning compression channels widths architecture-search",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["tf_hetero", "tf_hetero.*"]),
    package_data={"tf_hetero": ["py.typed"]},
    python_requires=">=3.11,<3.14",
    # Keras's private parts are tested with the lowest and the newest of these
    # (make test-keras); tf_hetero/graph/keras_internals.py says what they are.
    install_requires=["keras>=3.14,<3.16", "numpy>=1.26", "tensorflow>=2.21"],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["tf-hetero = tf_hetero.cli.main:main"]},
)
