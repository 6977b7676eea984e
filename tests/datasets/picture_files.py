"""Sets of pictures in memory and in files, whole and damaged."""

import numpy as np

from tf_hetero import datasets


def collect(batches, count):
    taken = [(np.array(x), np.array(y)) for x, y in batches.take(count)]
    return [x for x, _ in taken], [y for _, y in taken]


def pictures(size=50, **kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (size, 6, 6, 3), "uint8"), np.arange(size)
    examples = datasets.Examples(x, y)
    return datasets.Pictures(
        examples, examples.part(7), size, (6, 6, 3), (0.0,) * 3, (1.0,) * 3, **kwargs
    )


def write_pictures(root, names, count=2, size=(20, 30)):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(count):
            x = rng.integers(0, 255, (*size, 3), "uint8")
            encoded = tf.io.encode_jpeg(x) if number % 2 else tf.io.encode_png(x)
            ending = "jpg" if number % 2 else "png"
            (root / name / f"{number}.{ending}").write_bytes(encoded.numpy())


def record_file(path, count=5):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(count):
            writer.write(bytes([number]) * (number + 1))
    return str(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_byte(path):
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 255
    path.write_bytes(contents)


def empty(path):
    path.write_bytes(b"")


def tiny_imagenet_folder(root, per_class=1):
    """200 classes as in the published zip."""
    import tensorflow as tf

    picture = tf.io.encode_jpeg(np.full((64, 64, 3), 90, "uint8")).numpy()
    names = [f"n{number:08d}" for number in range(200)]
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("\n".join(reversed(names)) + "\n")
    annotations = []
    for number, name in enumerate(names):
        images = root / "train" / name / "images"
        images.mkdir(parents=True)
        for index in range(per_class):
            (images / f"{name}_{index}.JPEG").write_bytes(picture)
        if number < 10:
            (root / "val" / "images" / f"val_{number}.JPEG").write_bytes(picture)
            annotations.append(f"val_{number}.JPEG\t{name}\t0\t0\t62\t62")
    (root / "val" / "val_annotations.txt").write_text("\n".join(annotations) + "\n")
