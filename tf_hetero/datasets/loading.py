"""Where pictures come from: scikit-learn's digits, TFDS, or an .npz file."""

import dataclasses
import pathlib

import numpy as np

from tf_hetero.datasets.batches import Pictures


def load(
    name: str,
    data_dir: str = "",
    train_examples: int | None = None,
    test_examples: int | None = None,
) -> Pictures:
    """Loads a labelled set of pictures into memory.

    Args:
        name: `"digits"` (1,797 handwritten digits of 8x8 pixels that come with
            scikit-learn: the last 1,397 are the test set), `"cifar10"` or
            `"cifar100"` (through TensorFlow Datasets, downloaded if needed), or
            `"npz"`.
        data_dir: for TFDS its data folder (its own default if empty); for
            `"npz"` the file, with arrays `x_train, y_train, x_test, y_test`.
        train_examples, test_examples: take only so many, from the front.

    Returns:
        `Pictures`.

    Raises:
        ValueError: if the name is unknown, a file lacks an array, or more
            examples are asked for than there are.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1: crops with
          4 pixels of padding, mirror images; normalisation of the released code.
    """
    if name not in _LOADERS:
        raise ValueError(f"`dataset` must be one of {sorted(_LOADERS)}. Received: {name!r}")
    pictures = _LOADERS[name](name, data_dir)
    return dataclasses.replace(
        pictures,
        train=_front(pictures.train, train_examples, "train_examples"),
        test=_front(pictures.test, test_examples, "test_examples"),
    )


def _front(part, number: int | None, argument: str):
    x, y = part
    if number is None:
        return part
    if not 0 < number <= len(y):
        raise ValueError(
            f"`{argument}` must be from 1 to {len(y)}, the size of this set. Received: "
            f"{number}"
        )
    return x[:number], y[:number]


def _digits(name: str, data_dir: str) -> Pictures:
    del name, data_dir
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError(
            "The digits come with scikit-learn, which is not installed. Received: "
            "dataset='digits'. Install it: pip install 'tf_hetero[demo]'."
        ) from error

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype(np.float32)
    return Pictures((x[:400], y[:400]), (x[400:], y[400:]), 10, (0.0,), (16.0,))


def _tfds(name: str, data_dir: str) -> Pictures:
    import tensorflow_datasets as tfds

    train, test = (
        tuple(
            tfds.as_numpy(
                tfds.load(
                    name,
                    split=split,
                    data_dir=data_dir or None,
                    batch_size=-1,
                    as_supervised=True,
                    shuffle_files=False,
                )
            )
        )
        for split in ("train", "test")
    )
    return Pictures(
        train,
        test,
        classes=100 if name == "cifar100" else 10,
        mean=(125.3, 123.0, 113.9),
        std=(63.0, 62.1, 66.7),
        crop_padding=4,
        flip=True,
    )


def _npz(name: str, data_dir: str) -> Pictures:
    del name
    path = pathlib.Path(data_dir)
    if not path.is_file():
        raise ValueError(
            "For dataset='npz', `data_dir` must be the .npz file. Received: "
            f"data_dir={data_dir!r}"
        )
    with np.load(path) as arrays:
        names = ("x_train", "y_train", "x_test", "y_test")
        missing = [key for key in names if key not in arrays]
        if missing:
            raise ValueError(
                f"The file must hold the arrays {names}. Received: {path.name} without "
                f"{missing}."
            )
        x_train, y_train, x_test, y_test = (arrays[key] for key in names)
    channels = tuple(range(x_train.ndim - 1))
    mean, std = x_train.mean(channels), x_train.std(channels)
    return Pictures(
        (x_train, y_train),
        (x_test, y_test),
        classes=int(max(y_train.max(), y_test.max())) + 1,
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )


_LOADERS = {"digits": _digits, "cifar10": _tfds, "cifar100": _tfds, "npz": _npz}
