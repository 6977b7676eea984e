"""Parts of restored pictures, drawn side by side."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np

import tf_hetero
from tf_hetero.datasets.bicubic import resize_bicubic
from tf_hetero.datasets.degrading import WHITE, Degradation
from tf_hetero.datasets.reading import in_bytes, read_picture, with_channels
from tf_hetero.extras import needed
from tf_hetero.restoration.quality import psnr
from tf_hetero.restoration.tiling import restore
from tools.experiment.figures import grid_of_pictures, save_figure, shown_name
from tools.experiment.settings import Settings
from tools.experiment.tasks import COUNTED_SIDE


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """A crop, its title, and the PSNR of the whole picture that it is of."""

    title: str
    crop: np.ndarray
    psnr: float


def networks(
    settings: Settings, folder: pathlib.Path, seed: int
) -> Mapping[str, keras.Model]:
    """The trained networks of one seed by their arms.

    Raises:
        ValueError: if it is no restoration, or there is none.
    """
    if settings.task != "restoration":
        raise ValueError(
            f"Crops are of restored pictures. Received: task={settings.task!r}"
        )
    paths = {arm.name: folder / f"{arm.name}-seed{seed}.keras" for arm in settings.arms}
    found = {name: path for name, path in paths.items() if path.is_file()}
    if not found:
        raise ValueError(
            f"There must be trained networks of seed {seed}. Received: none of "
            f"{sorted(paths)} in {folder}. Run tools.train with this config first."
        )
    return {name: keras.models.load_model(path) for name, path in found.items()}


def row(
    settings: Settings, models: Mapping[str, keras.Model], name: str, side: int
) -> list[Panel]:
    """What came in, what each network makes of it, and the truth."""
    own = settings.restoration
    degradation = Degradation(own.scale, own.noise)
    truth = degradation.cut(_picture(name, own.channels))
    x = degradation.tested(truth, 0)
    made = {"noisy" if own.scale == 1 else "bicubic": resize_bicubic(x, own.scale)}
    for arm, model in models.items():
        scale = np.float32(own.white / WHITE)
        made[shown_name(arm)] = restore(model, x * scale) / scale
    made["truth"] = truth.astype(np.float32)
    top, left = ((length - side) // 2 for length in truth.shape[:2])
    return [
        Panel(
            title,
            np.clip(picture[top : top + side, left : left + side], 0, WHITE) / WHITE,
            psnr(picture, truth, own.shave),
        )
        for title, picture in made.items()
    ]


def draw(rows: Sequence[Sequence[Panel]], path: pathlib.Path) -> None:
    """Writes the rows as one picture."""
    titles = [
        [p.title if np.isinf(p.psnr) else f"{p.title}\n{p.psnr:.2f} dB" for p in row]
        for row in rows
    ]
    save_figure(grid_of_pictures([[p.crop for p in row] for row in rows], titles), path)


def report(
    models: Mapping[str, keras.Model], arm: str, crops: pathlib.Path, folder: pathlib.Path
) -> None:
    """Writes the report of the baseline and an arm, with crops; an earlier one goes."""
    missing = [name for name in ("baseline", arm) if name not in models]
    if missing:
        raise ValueError(
            "A report compares the baseline with a trained arm. Received: "
            f"{sorted(models)}, without {missing}."
        )
    channels = models[arm].input_shape[-1]
    shape = (COUNTED_SIDE, COUNTED_SIDE, channels)
    found = tf_hetero.compare(models["baseline"], models[arm], shape)
    caption = "Middles of pictures that were restored whole, and their PSNR"
    found.save(folder, overwrite=True, pictures={caption: crops})


def _picture(name: str, channels: int) -> np.ndarray:
    """A file, or one of scikit-image's samples by its name."""
    path = pathlib.Path(name)
    if path.suffix:
        return in_bytes(with_channels(read_picture(path), channels)[0])
    samples = needed("skimage.data", "train", "A sample picture")
    if not hasattr(samples, name):
        raise ValueError(
            "`pictures` must be files or names of scikit-image's samples, as 'camera' or "
            f"'coffee'. Received: {name!r}"
        )
    picture = getattr(samples, name)()
    picture = picture[..., np.newaxis] if picture.ndim == 2 else picture
    return with_channels(picture, channels)[0]
