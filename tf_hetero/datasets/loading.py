"""Sets of pictures by name."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from tf_hetero.datasets import folders, records
from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.sources import Examples
from tf_hetero.extras import needed


def load(
    name: str,
    data_dir: str = "",
    train_examples: int | None = None,
    test_examples: int | None = None,
    flip: bool | None = None,
    image_size: int = 224,
    classes: Sequence[int] = (),
    resize: int = 0,
) -> Pictures:
    """Loads a labelled set of pictures.

    Args:
        name: one of

            - `"digits"`: 1,797 handwritten digits of 8x8 pixels that come with
              scikit-learn; the last 1,397 are the test set.
            - `"cifar10"`, `"cifar100"`: through TensorFlow Datasets, downloaded
              if needed; cropped at random with 4 pixels of padding, mirrored.
            - `"tiny_imagenet"`: Tiny-ImageNet-200 at 64x64 pixels through
              TensorFlow Datasets, from the published `tiny-imagenet-200.zip` in
              `data_dir`; its validation pictures are the test set; mirrored.
            - `"imagenet"`: `imagenet2012` of TensorFlow Datasets, prepared
              beforehand; random resized crops, mirrored; test pictures are the
              middle of the resized picture.
            - `"folder"`: `data_dir` holds `train/CLASS/PICTURE` and
              `test/CLASS/PICTURE` (or `val`, or `validation`), JPEG or PNG;
              treated as ImageNet.
            - `"npz"`: a file with arrays `x_train, y_train, x_test, y_test`.
        data_dir: the folder or file; for TensorFlow Datasets its data folder
            (its own default if empty).
        train_examples, test_examples: take only so many: the first ones of sets
            whose classes come mixed, which are the digits and those of TensorFlow
            Datasets (it shuffles them as it prepares them). Pictures of a
            `"folder"` are put into a random order first, and a part of an `"npz"`
            file is drawn at random, for both may be sorted by class. Both are the
            same whenever and wherever they are loaded (`sources.DRAW_SEED`). A
            whole `"npz"` file stays in its order.
        flip: whether training pictures are mirrored; as above if None. The
            released code of the papers mirrors on CIFAR only.
        image_size: pixels a side, for `"imagenet"` and `"folder"`.
        classes: numbers of the classes to take, which become 0, 1, ...; all if empty.
        resize: pixels a side to which the pictures of any set are brought in the end;
            as they are if 0.

    Returns:
        `Pictures`.

    Raises:
        ValueError: if the name is unknown, a file or folder is missing or wrongly
            laid out, labels do not fit, or more examples are asked for than there
            are. Of picture files only a few are opened here, and of record files
            the sizes are compared: other damage ends the training or evaluation
            that comes upon it, with a `tf.errors.InvalidArgumentError` that names
            the file.

    Example:

    >>> from tf_hetero import datasets
    >>> digits = datasets.load("digits", train_examples=200)
    >>> digits.input_shape, digits.classes, len(digits.train), len(digits.test)
    ((8, 8, 1), 10, 200, 1397)

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1, and The
          Heterogeneity Hypothesis, section B.1: augmentation; normalisation of
          the released code.
    """
    if name not in _LOADERS:
        raise ValueError(f"`dataset` must be one of {sorted(_LOADERS)}. Received: {name!r}")
    if data_dir and not pathlib.Path(data_dir).exists():
        raise ValueError(f"`data_dir` must exist. Received: data_dir={data_dir!r}")
    pictures = _LOADERS[name](data_dir, image_size)
    _check_labels(pictures)
    if resize < 0:
        raise ValueError(f"`resize` must be a number of pixels or 0. Received: {resize}")
    pictures = pictures.of_classes(tuple(classes)) if classes else pictures
    pictures = pictures.resized(resize) if resize else pictures
    return dataclasses.replace(
        pictures,
        train=_part(pictures.train, train_examples, "train_examples"),
        test=_part(pictures.test, test_examples, "test_examples"),
        flip=pictures.flip if flip is None else flip,
    )


def _check_labels(pictures: Pictures) -> None:
    for part in (pictures.train, pictures.test):
        if not isinstance(part, Examples):
            continue
        if len(part.x) != len(part.y) or not np.issubdtype(part.y.dtype, np.integer):
            raise ValueError(
                "There must be one integer label a picture. Received: "
                f"{len(part.x)} pictures, {len(part.y)} labels of type {part.y.dtype}."
            )
        if part.y.min() < 0 or part.y.max() >= pictures.classes:
            raise ValueError(
                f"Labels must be from 0 to {pictures.classes - 1}, one below the number of "
                f"classes. Received: labels from {part.y.min()} to {part.y.max()}."
            )


def _part(source, number: int | None, argument: str):
    if number is None:
        return source
    if not 0 < number <= len(source):
        raise ValueError(
            f"`{argument}` must be from 1 to {len(source)}, the size of this set. "
            f"Received: {number}"
        )
    return source.part(number)


def _digits(data_dir: str, image_size: int) -> Pictures:
    del data_dir, image_size
    load_digits = needed("sklearn.datasets", "train", "dataset='digits'").load_digits
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype(np.float32)
    train, test = Examples(x[:400], y[:400]), Examples(x[400:], y[400:])
    return Pictures(train, test, 10, (8, 8, 1), (0.0,), (16.0,))


def _npz(data_dir: str, image_size: int) -> Pictures:
    del image_size
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
        Examples(x_train, y_train, draw=True),
        Examples(x_test, y_test, draw=True),
        classes=int(max(y_train.max(), y_test.max())) + 1,
        input_shape=x_train.shape[1:],
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )


_LOADERS: dict[str, Callable[[str, int], Pictures]] = {
    "digits": _digits,
    "cifar10": lambda data_dir, size: records.cifar("cifar10", data_dir),
    "cifar100": lambda data_dir, size: records.cifar("cifar100", data_dir),
    "tiny_imagenet": lambda data_dir, size: records.tiny_imagenet(data_dir),
    "imagenet": records.imagenet,
    "folder": folders.folder,
    "npz": _npz,
}
