"""The one reader of images: every kind of file, and every way of giving one."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import tensorflow as tf
from image_files import collect, picture
from PIL import Image

import applications
from applications.weights.records import Preprocess
from zoo import data
from zoo import photographs as reading

RAMP = np.broadcast_to(np.linspace(0, 255, 8).astype("uint8")[:, None], (8, 8))
RIGHT = np.rot90(RAMP, -1)
DEEP = RAMP.astype("uint16") * 257
HALF = np.where(np.arange(8) < 4, 0, 255) * np.ones((8, 1))  # black, and white at the right


def grey(**options) -> tuple[Image.Image, dict]:
    return Image.fromarray(RAMP), options


def turned() -> tuple[Image.Image, dict]:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    return grey(exif=exif)


def half_transparent() -> tuple[Image.Image, dict]:
    """Black at the left; at the right red that nobody sees."""
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    return image, {}


def transparent_palette() -> tuple[Image.Image, dict]:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([9, 9, 9, 0, 0, 0])
    image.paste(0, (4, 0, 8, 8))
    return image, {"transparency": 0}


FILES = {
    "grey.png": (*grey(), RAMP),
    "rgb.bmp": (grey()[0].convert("RGB"), {}, RAMP),
    "palette.png": (grey()[0].convert("RGB").quantize(8), {}, RAMP),
    "cmyk.tif": (grey()[0].convert("RGB").convert("CMYK"), {}, RAMP),
    "la.png": (grey()[0].convert("LA"), {}, RAMP),
    "one bit.png": (Image.fromarray(HALF > 0), {}, HALF),
    "16 bits.png": (Image.fromarray(DEEP), {}, RAMP),
    "16 bits.tif": (Image.fromarray(DEEP), {}, RAMP),
    "16 bits.pgm": (Image.fromarray(DEEP), {}, RAMP),
    "float.tif": (Image.fromarray(RAMP.astype("float32")), {}, RAMP),
    "turned.png": (*turned(), RIGHT),
    "turned.tif": (*turned(), RIGHT),
    "transparent.png": (*half_transparent(), HALF),
    "transparent.webp": (half_transparent()[0], {"lossless": True}, HALF),
    "transparent.gif": (*transparent_palette(), HALF),
    "frames.gif": (grey()[0], {"save_all": True, "append_images": [Image.new("L", (8, 8))]}, RAMP),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_in_every_way(name, channels, tmp_path):
    """What a viewer shows, whether it comes by its path, as bytes, or as Pillow's image."""
    image, options, expected = FILES[name]
    path = tmp_path / name
    image.save(path, **options)
    expected = np.repeat(np.asarray(expected)[..., None], channels, axis=-1)
    with Image.open(path) as opened:
        for given in (path, str(path), path.read_bytes(), opened):
            found = reading.open_image(given, channels)
            assert found.mode == ("L" if channels == 1 else "RGB")
            np.testing.assert_array_equal(np.asarray(found).reshape(8, 8, channels), expected)
            for pixels in (
                reading.stretched(given, (8, 8), channels),
                reading.cropped(given, 8, 8, "bicubic", channels),
                applications.preprocess(given, Preprocess(8, 8), channels),
            ):
                np.testing.assert_array_equal(pixels, expected)


COLOUR = np.stack([RAMP, RIGHT, RAMP[::-1]], axis=-1)
CLEAR = np.concatenate([COLOUR, np.zeros((8, 8, 1), "uint8")], axis=-1)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (COLOUR, COLOUR),
        (COLOUR.astype("uint16") * 257, COLOUR),
        (COLOUR.astype("int64"), COLOUR),
        (COLOUR.astype("float16"), COLOUR),
        (COLOUR / 255 * 254.5, np.floor(COLOUR / 255 * 254.5)),
        (CLEAR, np.full((8, 8, 3), 255)),
        (RAMP, RAMP[..., None]),
        (RAMP[..., None], RAMP[..., None]),
        (RAMP > 99, (RAMP > 99)[..., None] * 255),
        (np.zeros((8, 8)), np.zeros((8, 8, 1))),
        (RAMP.tolist(), RAMP[..., None]),
        (tf.constant(COLOUR), COLOUR),
    ],
    ids=lambda x: f"{getattr(x, 'dtype', 'list')}",
)
def test_arrays(array, expected):
    found = np.asarray(reading.open_image(array))
    np.testing.assert_array_equal(found, np.broadcast_to(expected, (8, 8, 3)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("no.png", "cannot read the image no.png: No such file or directory"),
        (b"<html>404</html>", "cannot read the image: it is not an image"),
        (b"", "it is not an image"),
        (COLOUR / 255, r"its values are at most 1: give them in \[0, 255\], times 255"),
        (COLOUR * np.nan, r"its values must be in \[0, 255\]; received nan"),
        (COLOUR.astype(float) * 2, r"must be in \[0, 255\]; received 0 to 510"),
        (COLOUR.astype(int) - 1, "received -1 to 254"),
        (COLOUR.astype("uint16"), "its 16-bit values are at most 255 of 65535"),
        (COLOUR[None], r"one image; received \(1, 8, 8, 3\)"),
        (COLOUR.transpose(2, 0, 1), r"must be \(H, W\) or .*; received \(3, 8, 8\)"),
        (COLOUR[:0], r"received \(0, 8, 3\)"),
        (None, "neither the path nor the bytes of a file"),
        (Image.fromarray(RAMP.astype("int32") * 999), "received 0 to 254745"),
        (Image.fromarray((RAMP / 255).astype("float32")), "at most 1: give them"),
    ],
    ids=lambda x: x[:30] if isinstance(x, str) else "",
)
def test_what_is_refused(image, message):
    with pytest.raises(ValueError, match=message) as error:
        reading.open_image(image)
    assert "\n" not in str(error.value)


def test_large_images(tmp_path, monkeypatch):
    """Pillow warns of more than so many pixels, and refuses twice as many."""
    path = picture(tmp_path / "large.png", size=(40, 30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert reading.stretched(path, (8, 8)).shape == (8, 8, 3)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
        with pytest.raises(ValueError, match=r"large\.png: it has more than .* megapixels; make"):
            reading.open_image(path)


def test_reading_leaves_what_it_is_given(tmp_path):
    image, options, _ = FILES["turned.png"]
    image.save(tmp_path / "a.jpg", **options)
    with Image.open(tmp_path / "a.jpg") as opened:
        reading.stretched(opened, (2, 2))
        assert (opened.size, opened.getexif()[0x0112]) == ((8, 8), 6)
    array = RAMP.copy()
    reading.open_image(array)
    np.testing.assert_array_equal(array, RAMP)


@pytest.mark.parametrize("cache", [True, False])
def test_training_sees_the_pixels_that_prediction_sees(cache, tmp_path):
    """A large JPEG is decoded with less detail: by both, or the pixels are others."""
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), "uint8"))
    large, exif = smooth.resize((400, 300), Image.Resampling.BICUBIC), turned()[1]["exif"]
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
    large.save(tmp_path / "ant" / "0.jpg")
    large.save(tmp_path / "bee" / "0.jpg", exif=exif)
    Image.fromarray(DEEP).save(tmp_path / "ant" / "1.png")
    half_transparent()[0].save(tmp_path / "bee" / "1.png")
    paths = [tmp_path / name for name in ("ant/0.jpg", "ant/1.png", "bee/0.jpg", "bee/1.png")]
    options = {"image_size": (16, 24), "validation_split": 0, "test_split": 0, "batch_size": 2}
    loaded = data.load(f"folder:{tmp_path}", channels=3, cache=cache, **options)
    expected = [reading.stretched(path, (16, 24)) for path in paths]
    np.testing.assert_array_equal(collect(loaded.train_in_order)[0], expected)
    seen = {image.tobytes() for image in collect(loaded.train)[0].astype("uint8")}
    assert seen == {image.tobytes() for image in expected}
    given = [reading.stretched(path.read_bytes(), (16, 24)) for path in paths]
    np.testing.assert_array_equal(given, expected)
    whole = np.asarray(Image.open(paths[0]).resize((24, 16), Image.Resampling.BILINEAR))
    assert 0 < np.abs(expected[0] - whole.astype(float)).max() < 8  # less detail, and little less


def test_threads_leave_the_filters_of_warnings_alone(tmp_path, monkeypatch):
    """They are a setting of the process; two threads would put back each other's."""
    path = picture(tmp_path / "a.png")
    seen = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda file: seen.append(warnings.filters) or original(file))
    reading.open_image(path)
    thread = threading.Thread(target=reading.open_image, args=(path,))
    thread.start()
    thread.join()
    in_main, in_thread = seen
    assert in_thread is warnings.filters
    assert in_main is not warnings.filters
