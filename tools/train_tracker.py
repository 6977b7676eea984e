r"""Trains a tracker's heads on the features of a classifier.

    python -m tools.train_tracker --classifier=runs/cifar10/models/lwdna-seed0.keras \
        --layers=stage2_block3_relu2,stage3_block3_relu2 --mean=125.3,123.0,113.9 \
        --std=63.0,62.1,66.7 --videos=TRACKING_FOLDER --layout=otb \
        --leave_out=Jogging1,Man,Skiing --out=runs/tracker/lwdna-seed0.keras

The classifier, of which any arm of tools.train is one, is cut to features of the crops'
size; its weights stay as they are. Heads are as wide as the features say. Examples are
pairs of sets of frames from windows of all videos but those left out, on which
tools.measure_tracker measures what comes out.
"""

import pathlib
import time

from absl import app, flags, logging

from tools.experiment.commands import ending

_CLASSIFIER = flags.DEFINE_string("classifier", None, "A trained network, as .keras.")
_LAYERS = flags.DEFINE_list("layers", None, "Its layers of shallow and deep features.")
_MEAN = flags.DEFINE_list("mean", ["0"], "What it was normalised by, one or three values.")
_STD = flags.DEFINE_list("std", ["1"], "The same; values are from 0 to 255.")
_VIDEOS = flags.DEFINE_string("videos", None, "Folder of the videos.")
_LAYOUT = flags.DEFINE_string("layout", "otb", "As in read_videos.")
_LEAVE_OUT = flags.DEFINE_list(
    "leave_out", [], "Names of videos that are not learned from."
)
_OUT = flags.DEFINE_string("out", None, "Where to write the tracker, as .keras.")
_SIDE = flags.DEFINE_integer("side", 64, "Pixels a side of the crops.", lower_bound=16)
_WIDTH = flags.DEFINE_integer("width", 64, "Channels that the filter reads.")
_OVERLAP_WIDTH = flags.DEFINE_integer("overlap_width", 32, "Channels of box regression.")
_STEPS = flags.DEFINE_integer("steps", 600, "Batches.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Examples a batch.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 2, "Of each set of an example.", lower_bound=1)
_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Of Adam; it ends at 0 (cosine).")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0)

_EPOCHS = 10  # in which progress is shown


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("Nothing is half-written."):
        _train(pathlib.Path(_OUT.value))


def _train(out: pathlib.Path) -> None:
    import keras

    from tf_hetero.files import check_free, save_model
    from tf_hetero.tracking.backbones import features_of
    from tf_hetero.tracking.network import DiMP
    from tf_hetero.tracking.sampling import SamplingRules, VideoSets
    from tf_hetero.tracking.sequences import check_named, read_videos

    check_free(out, overwrite=False)
    videos = read_videos(_VIDEOS.value, _LAYOUT.value)
    check_named("--leave_out", _LEAVE_OUT.value, videos)
    learned = [video for video in videos if video.name not in _LEAVE_OUT.value]
    keras.utils.set_random_seed(_SEED.value)
    mean, std = ([float(value) for value in flag.value] for flag in (_MEAN, _STD))
    classifier = keras.models.load_model(_CLASSIFIER.value, compile=False)
    backbone = features_of(classifier, _LAYERS.value, _SIDE.value, mean, std)
    backbone.trainable = False
    network = DiMP(backbone, width=_WIDTH.value, overlap_width=_OVERLAP_WIDTH.value)
    rate = keras.optimizers.schedules.CosineDecay(_RATE.value, _STEPS.value)
    network.compile(keras.optimizers.Adam(rate), **network.losses_and_weights())
    data = VideoSets(
        learned,
        network,
        max(_STEPS.value // _EPOCHS, 1),
        _BATCH_SIZE.value,
        SamplingRules(frames=_FRAMES.value),
        _SEED.value,
    )
    start = time.perf_counter()
    network.fit(data, epochs=min(_EPOCHS, _STEPS.value), verbose=2)
    save_model(network, out, overwrite=False)
    print(f"{len(learned)} videos, {time.perf_counter() - start:.0f} s: {out}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["classifier", "layers", "videos", "out"])
    app.run(main)
