"""What a saved model knows of itself: its card, which travels inside every file that we write.

    a .keras, a .tflite    a member card.json; Keras and LiteRT ignore it
    a SavedModel           assets.extra/card.json
    safetensors, ONNX      metadata, under "keras-modelzoo"
    OpenVINO               runtime information in the .xml, under "keras-modelzoo"

One schema for all: from any of these files, one learns what the outputs mean, what they are called
and how a photograph becomes what the model takes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.common.version import VERSION

if TYPE_CHECKING:
    import numpy as np

KEY = "keras-modelzoo"  # of the card in a file's metadata
MEMBER = "card.json"  # of a zip archive
SCHEMA = 1
UNKNOWN = (
    "the model does not say how its images are preprocessed: load it with applications.load or "
    "zoo.load, or give weights= one of applications.list_weights"
)
MAX_BYTES = 16 * 2**20  # of a card's text: some 100,000 class names


@dataclass(frozen=True)
class Preprocess:
    """Resize a photograph's shorter side, and cut a square from the middle.

    Attributes:
        resize: Pixels of the shorter side after resizing; the picture keeps its proportions.
        crop: Pixels a side of the square.
        interpolation: "bilinear" or "bicubic", antialiased.
    """

    resize: int
    crop: int
    interpolation: str = "bilinear"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.crop, self.crop

    def __call__(self, image: Any, channels: int = 3) -> np.ndarray:
        """A file, Pillow image or array as (crop, crop, channels), pixels in [0, 255]."""
        from zoo.photographs import cropped

        return cropped(image, self.resize, self.crop, self.interpolation, channels)


@dataclass(frozen=True)
class Stretch:
    """Resize the whole photograph, bilinear and antialiased, whatever its proportions.

    Attributes:
        height: Pixels.
        width: Pixels.
    """

    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.height, self.width

    def __call__(self, image: Any, channels: int = 3) -> np.ndarray:
        """A file, Pillow image or array as (height, width, channels), pixels in [0, 255]."""
        from zoo.photographs import stretched

        return stretched(image, (self.height, self.width), channels)


@dataclass(frozen=True)
class Whole:
    """Leave the photograph as it is: the model resizes it."""

    def __call__(self, image: Any, channels: int = 3) -> np.ndarray:
        """A file, Pillow image or array as (H, W, channels), pixels in [0, 255]."""
        import numpy as np

        from zoo.photographs import open_image

        picture = open_image(image, channels)
        return np.asarray(picture).reshape(picture.height, picture.width, channels)


KINDS: dict[str, type[Preprocess | Stretch | Whole]] = {
    "crop": Preprocess,
    "stretch": Stretch,
    "whole": Whole,
}


@dataclass(frozen=True)
class Card:
    """What a model is, in words that outlive the process that made it.

    Attributes:
        task: "classification", "binary", "multilabel" or "regression": what the outputs mean.
        builder: The name that `zoo.create` takes; "" for a model from elsewhere.
        options: Of the builder, so that `zoo.create(builder, **options)` is the same network.
        input_shape: (height, width, channels), None where it is free.
        class_names: The name of class or label 0, 1, ...; empty if unknown.
        target_names: Of the numbers that a regression model gives, in their own units.
        logits: Whether the outputs are logits; False for probabilities and for numbers.
        preprocess: From a photograph to what the model takes; None if unknown.
        weights: The tag of the published weights that it started from, such as
            "torchvision.imagenet1k_v1"; "" for random ones.
        trained_on: Names of the data sets that it was trained on since.
        license: Of those weights, an SPDX identifier; "" if unknown.
        version: Of this package when the card was written.
    """

    task: str = "classification"
    builder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int | None, ...] = ()
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    logits: bool = True
    preprocess: Preprocess | Stretch | Whole | None = None
    weights: str = ""
    trained_on: tuple[str, ...] = ()
    license: str = ""
    version: str = ""

    def fitted(self) -> Card:
        """The card with a crop of the model's own size: the same share of the photograph.

        Raises:
            ValueError: If a square is to be cut for a model of images that are none.
        """
        how = self.preprocess
        sides = {*self.input_shape[:2]} - {None}
        if not isinstance(how, Preprocess) or not sides:
            return self
        if len(sides) > 1:
            height, width = self.input_shape[:2]
            raise ValueError(
                f"the model takes images of {height} x {width}, and preprocessing cuts squares: "
                "build it with a square or a free input_shape"
            )
        crop = sides.pop()
        assert crop is not None
        resize = round(how.resize * crop / how.crop)
        return dataclasses.replace(self, preprocess=Preprocess(resize, crop, how.interpolation))

    def prepare(self, image: Any) -> np.ndarray:
        """A photograph as the model takes it: float32 (H, W, C), pixels in [0, 255].

        Args:
            image: A file, its bytes, a Pillow image, or an array (H, W, C).

        Raises:
            ValueError: If the image cannot be read, or the card does not say how to preprocess.
        """
        if self.preprocess is None:
            raise ValueError(UNKNOWN)
        channels = self.input_shape[-1] if self.input_shape else None
        return self.preprocess(image, channels or 3).astype("float32")

    def to_json(self) -> str:
        """The card as a line of JSON."""
        made: dict[str, Any] = {"schema": SCHEMA, "package": KEY}
        made |= {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.preprocess is not None:
            kind = next(k for k, v in KINDS.items() if isinstance(self.preprocess, v))
            made["preprocess"] = {"kind": kind, **dataclasses.asdict(self.preprocess)}
        made["version"] = VERSION
        return json.dumps(made, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card.

        Raises:
            ValueError: If the text is no card, or one of a later version's schema.

        Example:
            >>> Card.from_json(Card(class_names=("cat", "dog")).to_json()).class_names
            ('cat', 'dog')
        """
        try:
            read = json.loads(text)
            if read["schema"] > SCHEMA:
                raise ValueError(
                    f"the model's card has schema {read['schema']}, and this version of "
                    f"keras-modelzoo knows {SCHEMA}: upgrade the package"
                )
            how = read.get("preprocess")
            if how is not None:
                kind = KINDS[how.pop("kind")]
                read["preprocess"] = kind(**how)
            known = {f.name: f for f in dataclasses.fields(cls)}
            values = {name: value for name, value in read.items() if name in known}
            for name in ("input_shape", "class_names", "target_names", "trained_on"):
                values[name] = tuple(values.get(name, ()))
            values["options"] = {k: _tuples(v) for k, v in values.get("options", {}).items()}
            card = cls(**values)
            names = (*card.class_names, *card.target_names, card.builder, card.task)
            if not all(isinstance(name, str) for name in names):
                raise TypeError("names must be text")
        except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"the model's card is damaged ({error!r}): save it again") from None
        return card


def card_of(model: Any) -> Card:
    """The card of a model or a `Predictor`, an empty one where it has none."""
    return getattr(model, "card", None) or Card()


def with_card(model: Any, card: Card | None = None, **changes: Any) -> Any:
    """Give a model a card, and return the model.

    Args:
        model: A Keras model.
        card: By default the one that it has.
        **changes: Fields of the card that differ.
    """
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple):
        changes.setdefault("input_shape", shape[1:])
    model.card = dataclasses.replace(card or card_of(model), **changes)
    return model


def write_member(path: Path, card: Card) -> None:
    """Add the card to a zip archive, or to a file that may have one behind it (LiteRT)."""
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, card.to_json())


def read_member(path: Path) -> Card | None:
    """The card in a zip archive, or behind a file; None if there is none.

    Raises:
        ValueError: If it is damaged.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                return None
            if archive.getinfo(MEMBER).file_size > MAX_BYTES:
                raise ValueError(f"the card in {path} is larger than {MAX_BYTES >> 20} MiB")
            text = archive.read(MEMBER).decode("utf-8")
    except zipfile.BadZipFile:
        return None
    return Card.from_json(text)


def _plain(value: Any) -> Any:
    """What JSON lacks: NumPy's numbers and arrays, paths and other objects."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
