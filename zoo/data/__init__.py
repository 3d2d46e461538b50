"""Data sets: train, validation and test images as `tf.data`, with their targets.

    >>> data = load("digits", batch_size=32)
    >>> print(data)
    digits: 10 classes, images 8 x 8 x 1; 1,259 train, 179 validation, 359 test; batches of 32
    >>> images, labels = next(iter(data.train))
    >>> images.shape, labels.shape
    (TensorShape([32, 8, 8, 1]), TensorShape([32]))

What training sees at epoch e, step s is a function of (seed, e, s) alone, augmentation included:
`data.train_from(3)` begins exactly where three epochs of `data.train_from(0)` end.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from zoo.card import Preprocess, card_of
from zoo.common.plain import plain
from zoo.data import augment as augmentation
from zoo.data import embedded, folder, table, tfds
from zoo.data.arrays import arrays_source
from zoo.data.augment import Augment
from zoo.data.dataset import Dataset
from zoo.data.image_data import ImageData, assemble
from zoo.data.shapes.scenes import Shapes, shapes
from zoo.data.splits import Request, Source, array_source, three_ways
from zoo.data.streams import Batches, stream_data
from zoo.data.targets import Labels, MultiHot, Numbers

__all__ = [
    "Augment",
    "Dataset",
    "ImageData",
    "Labels",
    "MultiHot",
    "Numbers",
    "Shapes",
    "as_data",
    "from_arrays",
    "from_batches",
    "list_datasets",
    "load",
    "shapes",
]

SHAPES_IMAGES = 4000  # that load("shapes") draws
STREAM_OPTIONS = {"class_names", "target_names", "task", "name", "seed"}


def list_datasets() -> list[str]:
    """The names that `load` takes; capitals stand for something to be filled in.

    Example:
        >>> list_datasets()
        ['digits', 'fashion_mnist', 'folder:PATH', 'shapes', 'tfds:NAME']
    """
    return ["digits", "fashion_mnist", "folder:PATH", "shapes", "tfds:NAME"]


def load(
    name: str,
    *,
    targets: str | os.PathLike[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    batch_size: int = 32,
    channels: int | None = None,
    augment: Augment = None,
    validation_split: float = 0.1,
    test_split: float = 0.2,
    fold: tuple[int, int] | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    cache: bool = True,
    skip_unreadable: bool = False,
    preprocess: Preprocess | None = None,
) -> ImageData:
    """Load a data set of images with classes, labels or numbers.

    Where a source has official splits they are used. What is missing is split off its training
    images by seed, class by class.

    With `targets` a folder's images need no class folders. The table is a CSV in UTF-8 whose first
    line names the columns: first the file, a path relative to the folder; then the targets. They
    are, in this order of rules,

    - labels, if there is one column of text: any number of labels with ";" between them, such as
      "dog;outdoors", or nothing;
    - labels, if all columns have 0 or 1 in every line: the names of the columns are the labels;
    - numbers to predict, otherwise. A column's name may have the unit in it, such as "weight (kg)".

    A column called "split" says train, validation or test for each image; without it the images
    are split at random by seed.

    Args:
        name: One of

            - "digits": the UCI digits, 1,797 images of 8 x 8 x 1, in this package;
            - "fashion_mnist": 70,000 images of 28 x 28 x 1, from `data_dir`; without it from one of
              the usual folders of its four IDX files, else by tensorflow-datasets;
            - "shapes": 4,000 drawn images of 64 x 64 x 3, see `shapes`;
            - "tfds:NAME": an image-classification set of tensorflow-datasets, such as
              "tfds:cifar10". One too large for the memory is streamed, and is then split by seed
              but not class by class;
            - "folder:PATH": a folder with one folder a class, or with train, val and test folders
              that are laid out so. Every image that Pillow reads is taken (jpg, png, tif, webp,
              avif, ...), as `zoo.photographs.open_image` describes. All are decoded once before
              training, on all cores; a long check is remembered. Later they are read when needed.
        targets: For "folder:PATH": a CSV with the targets of its images, in the folder or
            elsewhere.
        image_size: Pixels a side, or (height, width); the whole picture is resized, bilinear and
            antialiased. None: the source's size, or 224 x 224 where it has no common one.
        batch_size: Images in a batch, at least 1.
        channels: 1 (grey) or 3 (colour). None: as the source has it.
        augment: What is done to batches of training images: None; "none", "flip", "crop" (shift by
            up to 1/8, and flip), "shift" (small shifts and rotations, no flip), "auto" ("shift"
            for digits, else "crop"), "strong" (see `zoo.data.augment.PRESETS`); a Keras
            preprocessing layer that keeps the shape, or a list of such.
        validation_split: Share of the training images used for validation, in [0, 1), where the
            source has no validation split. 0: no validation split.
        test_split: Likewise for testing.
        fold: For cross-validation, (i, k): the i-th of k parts of the training images, counted from
            0, is the validation split.
        seed: Of the split, the order and the augmentation: 0 to 2^63 - 1.
        data_dir: The folder of the four files of "fashion_mnist", packed by gzip or not, or that
            of tensorflow-datasets. Only for "fashion_mnist" and "tfds:NAME".
        cache: Keep images in memory once they are read, up to 1 GiB.
        skip_unreadable: Leave out the images of "folder:PATH" that cannot be read, with a warning
            that names them; otherwise they are an error.
        preprocess: In place of `image_size`, for "folder:PATH": resize the shorter side and cut a
            square, as most published weights want it: `model.card.preprocess`.

    Returns:
        The data set, see `ImageData`.

    Raises:
        ValueError: If an argument is out of its range, a file cannot be read, or a class has too
            few images to split.
        FileNotFoundError: If the data are not there and cannot be downloaded.

    Example:
        >>> load("digits", image_size=16, channels=3).image_shape
        (16, 16, 3)
    """
    request = Request(
        image_size=_image_size(image_size),
        channels=channels,
        batch_size=batch_size,
        validation_split=validation_split,
        test_split=test_split,
        fold=fold,
        seed=seed,
        data_dir=None if data_dir is None else Path(data_dir).expanduser(),
        cache=cache,
        skip_unreadable=skip_unreadable,
        preprocess=preprocess,
    )
    if targets is not None and not str(name).startswith("folder:"):
        raise ValueError(f"targets is for folder:PATH; {name!r} has its own: leave it out")
    if preprocess is not None and image_size is not None:
        raise ValueError("preprocess has the images' size: leave image_size out")
    _begin(request)
    if targets is not None:
        source = table.table_source(name.removeprefix("folder:"), os.fspath(targets), request)
    else:
        source = _source(name, request)
    return _made(name, source, request, augment)


def from_arrays(
    train: tuple[Any, Any],
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    task: str | None = None,
    name: str = "arrays",
    image_size: int | tuple[int, int] | None = None,
    batch_size: int = 32,
    channels: int | None = None,
    augment: Augment = None,
    validation_split: float = 0.1,
    test_split: float = 0.0,
    fold: tuple[int, int] | None = None,
    seed: int = 0,
) -> ImageData:
    """A data set of arrays.

    Args:
        train: (images, targets): numbers (N, H, W) or (N, H, W, 1, 3 or 4), pixels in [0, 255],
            and their targets. Whole numbers (N,) or (N, 1) from 0, or one-hot (N, K), are classes;
            other rows (N, K) of 0 and 1 are labels; floats (N,) or (N, T) are numbers to predict.
        validation: Likewise; None to split it off the training images, class by class.
        test: Likewise.
        class_names: The name of class or label 0, 1, ...; by default the numbers.
        target_names: Of numbers to predict; by default "target", or the numbers from 0.
        task: "classification", "multilabel" or "regression", where the targets do not say it: rows
            of labels that all have exactly one, or numbers to predict that are whole.
        name: Of the data set.
        image_size: As in `load`; None: that of the images.
        batch_size: As in `load`.
        channels: As in `load`.
        augment: As in `load`.
        validation_split: As in `load`.
        test_split: As in `load`.
        fold: As in `load`.
        seed: As in `load`.

    Returns:
        The data set, see `ImageData`.

    Raises:
        ValueError: If an argument is out of its range, or a class has too few images to split.

    Example:
        >>> images, labels = np.full((20, 8, 8, 1), 9), np.arange(20) % 2
        >>> print(from_arrays((images, labels), batch_size=4))
        arrays: 2 classes, images 8 x 8 x 1; 18 train, 2 validation, 0 test; batches of 4
    """
    request = Request(
        image_size=_image_size(image_size),
        channels=channels,
        batch_size=batch_size,
        validation_split=validation_split,
        test_split=test_split,
        fold=fold,
        seed=seed,
    )
    _begin(request)
    names = _names(class_names, target_names)
    source = arrays_source(train, validation, test, names, task, request)
    return _made(name, source, request, augment)


def from_batches(
    train: Batches,
    validation: Batches | None = None,
    test: Batches | None = None,
    *,
    class_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    task: str | None = None,
    name: str = "batches",
    seed: int = 0,
) -> ImageData:
    """A data set of the user's own pipelines, which are read when they are needed.

    Shuffling and augmentation are theirs. For a run that resumes exactly as if it had not been
    interrupted, give `shuffle` of tf.data a seed and make the pipeline before anything is trained
    in the process, since TensorFlow combines it with the global seed, which training sets. The
    batches of a PyDataset are shuffled here by `seed`, as `fit` does; whatever its `on_epoch_end`
    draws should follow from a seed of its own. Batches are fetched in threads, not in processes.

    Args:
        train: A `tf.data.Dataset` with a known number of batches, or a `keras.utils.PyDataset`.
            A batch is (images (B, H, W, C), pixels in [0, 255], targets (B,) or (B, K)). Labels
            and numbers to predict are read once when the data set is made, for their statistics.
        validation: Likewise; None for no validation images.
        test: Likewise.
        class_names: The name of class or label 0, 1, ...; needed for classes as whole numbers.
        target_names: Of numbers to predict.
        task: As `from_arrays` takes it; needed for rows of 0 and 1.
        name: Of the data set.
        seed: Of the order of a PyDataset's batches.

    Returns:
        The data set, see `ImageData`.

    Raises:
        ValueError: If the number of batches is not known, or a batch is something else.
        TypeError: If it is no such pipeline.

    Example:
        >>> pixels, heights = np.full((20, 8, 8, 1), 9.0), np.linspace(0, 1, 20)
        >>> batches = tf.data.Dataset.from_tensor_slices((pixels, heights)).batch(4)
        >>> print(from_batches(batches, target_names=["height"]))
        batches: 1 number to predict, images 8 x 8 x 1; 20 train, 0 validation, 0 test; batches of 4
    """
    names = _names(class_names, target_names)
    return stream_data(train, validation, test, names=names, task=task, name=name, seed=plain(seed))


def _names(
    class_names: Sequence[str] | None, target_names: Sequence[str] | None
) -> Sequence[str] | None:
    if class_names is not None and target_names is not None:
        raise ValueError("give class_names or target_names: images have classes or numbers")
    return class_names if target_names is None else target_names


def _made(name: str, source: Source, request: Request, augment: Augment) -> ImageData:
    augment = augmentation.chosen(augment, name)
    augmented = augmentation.make(augment, source.image_shape)
    return assemble(name, source, request, augmented, augmentation.describe(augment))


def as_data(
    data: Dataset | str | tuple[Any, Any] | Batches,
    validation: tuple[Any, Any] | Batches | None = None,
    **options: Any,
) -> ImageData:
    """A data set of whatever stands for one; all that take a data set call this.

    Args:
        data: A data set, or what has its attributes, which is returned as it is; a name that
            `load` takes, such as "folder:PATH"; a pair of arrays (images, targets), as
            `from_arrays` takes it; or batches, as `from_batches` takes them.
        validation: Likewise; only beside arrays or batches.
        **options: Of `load`, `from_arrays` or `from_batches`, such as `image_size`; None stands for
            the default.

    Returns:
        The data set.

    Raises:
        ValueError: As `load`, `from_arrays` and `from_batches`; or if options are given for a data
            set that is loaded.
        TypeError: If `data` is something else; the message lists what is accepted.

    Example:
        >>> as_data((np.full((20, 8, 8, 1), 9), np.arange(20) % 2), batch_size=4).num_classes
        2
    """
    options = {name: value for name, value in options.items() if value is not None}
    if hasattr(data, "train_from"):  # a `Dataset`, or what reads like one
        if options or validation is not None:
            given = [*options, *["validation"] * (validation is not None)]
            raise ValueError(
                f"{', '.join(given)} cannot be changed in a data set that is loaded: give them to "
                "zoo.data.load or zoo.data.from_arrays"
            )
        return cast(ImageData, data)
    if isinstance(data, str | os.PathLike):
        if validation is not None:
            raise ValueError(f"{data} has validation images of its own: give no others")
        return load(data, **options)  # which refuses a path
    if isinstance(data, tuple | list) and len(data) == 2:
        return from_arrays((data[0], data[1]), cast(Any, validation), **options)
    if isinstance(data, tf.data.Dataset | keras.utils.PyDataset):
        if wrong := sorted(options.keys() - STREAM_OPTIONS):
            raise ValueError(
                f"{', '.join(wrong)} cannot be changed in batches that are made already: change "
                "the pipeline"
            )
        return from_batches(data, cast(Any, validation), **options)
    what = "an array without labels" if isinstance(data, np.ndarray) else type(data).__name__
    raise TypeError(
        "data must be a data set of zoo.data.load, a name that it takes, such as 'folder:photos', "
        "a pair of arrays (images, targets), or a tf.data.Dataset or PyDataset of batches; "
        f"received {what}"
    )


def data_for(model: keras.Model, data: Any, **options: Any) -> ImageData:
    """A data set of whatever stands for one, its images resized as the model's card says.

    Args:
        model: Takes images (B, H, W, C).
        data: As `as_data` takes it.
        **options: Likewise, beside `image_size` and `channels`.
    """
    if hasattr(data, "train_from") or isinstance(data, tf.data.Dataset | keras.utils.PyDataset):
        return as_data(data, **options)
    *size, channels = model.input_shape[1:]
    how = card_of(model).fitted().preprocess
    if isinstance(how, Preprocess) and isinstance(data, str) and data.startswith("folder:"):
        options["preprocess"] = how  # as the model's photographs are prepared
    else:
        options["image_size"] = None if None in size else tuple(size)
    options["channels"] = channels if channels in (1, 3) else None
    return as_data(data, **options)


def _source(name: Any, request: Request) -> Source:
    kind, colon, argument = name.partition(":") if isinstance(name, str) else ("", "", "")
    known = {
        "digits": embedded.digits,
        "fashion_mnist": embedded.fashion_mnist,
        "shapes": _drawn,
    }
    if kind == "folder" and colon:
        source: Callable[[Request], Source] = functools.partial(folder.folder_source, argument)
    elif kind == "tfds" and argument:
        source = functools.partial(tfds.tfds_source, argument)
    elif not colon and kind in known:
        source = known[kind]
    else:
        raise ValueError(f"unknown data set {_shown(name)}; {_advice(name)}")
    if request.data_dir is not None and kind not in ("fashion_mnist", "tfds"):
        raise ValueError(
            f"data_dir is for fashion_mnist and tfds:NAME; {name!r} has no use for it: leave it out"
        )
    if request.skip_unreadable and kind != "folder":
        raise ValueError(
            f"skip_unreadable is for folder:PATH; {name!r} has no use for it: leave it out"
        )
    if request.preprocess is not None and kind != "folder":
        raise ValueError(f"preprocess is for folder:PATH; for {name!r} say image_size")
    return source(request)


def _shown(name: Any) -> str:
    return repr(os.fspath(name) if isinstance(name, os.PathLike) else name)


def _advice(name: Any) -> str:
    """What was meant by a name that is none."""
    with contextlib.suppress(TypeError, ValueError, OSError):
        if name and Path(name).expanduser().is_dir():
            return f"it is a folder: did you mean {f'folder:{os.fspath(name)}'!r}?"
    known = list_datasets()
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=2)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"accepted are {', '.join(known)}{hint}"


def _drawn(request: Request) -> Source:
    """The same images whatever the seed, which splits and shuffles them."""
    drawn = shapes(SHAPES_IMAGES, request.image_size or 64)
    rows = three_ways(drawn.labels, drawn.class_names, request)
    return array_source(drawn.images, drawn.labels, Labels(drawn.class_names), rows, request)


def _image_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    value = plain(value)
    sides = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(sides) != 2 or not all(_is_whole(side) and side >= 1 for side in sides):
        raise ValueError(
            "image_size must be a whole number of at least 1, or a pair of them (height, width); "
            f"received {value!r}"
        )
    return sides[0], sides[1]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _begin(request: Request) -> None:
    """Check the arguments, and leave the GPU to the backend that trains."""
    if not _is_whole(request.batch_size) or request.batch_size < 1:
        raise ValueError(
            f"batch_size must be a whole number of at least 1; received {request.batch_size!r}"
        )
    if request.channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1, 3 or None; received {request.channels!r}")
    if not _is_whole(request.seed) or not 0 <= request.seed < 2**63:
        raise ValueError(
            f"seed must be a whole number from 0 to 2^63 - 1; received {request.seed!r}"
        )
    if request.fold is not None:
        i, k = request.fold if isinstance(request.fold, tuple) else (None, None)
        if not (_is_whole(i) and _is_whole(k) and 0 <= i < k and k >= 2):
            raise ValueError(
                "fold must be (i, k), the i-th of k >= 2 folds counted from 0; "
                f"received {request.fold!r}"
            )
    shares = (request.validation_split, request.test_split)
    for argument, share in zip(("validation_split", "test_split"), shares, strict=True):
        if not isinstance(share, int | float) or not 0 <= share < 1:
            raise ValueError(f"{argument} must be in [0, 1); received {share!r}")
    if sum(shares) >= 1:
        raise ValueError(
            f"validation_split + test_split must be below 1, for something to train on; "
            f"received {shares[0]} + {shares[1]}"
        )
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # in use already
            tf.config.set_visible_devices([], "GPU")  # all of their memory is Keras's
