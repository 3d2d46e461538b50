"""Folders of images: what they may look like, and what is said when one is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from image_files import collect, folder_of, picture
from PIL import Image

from zoo import data
from zoo.data import folder


def test_folder_reads_nested_and_leaves_hidden_out(tmp_path):
    root = folder_of(tmp_path / "insects", classes=("bee", "ant"), count=6)
    picture(root / "ant" / "deep" / "deeper" / "x.PNG", seed=77)
    (root / "ant" / ".hidden.png").write_bytes(b"no image")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    (root / "__MACOSX" / "ant").mkdir(parents=True)
    (root / "readme.md").write_text("")
    loaded = data.load(f"folder:{root}")
    assert loaded.class_names == ("ant", "bee")
    assert loaded.image_shape == (224, 224, 3)
    assert loaded.train_size + loaded.validation_size + loaded.test_size == 13


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp"])
def test_folder_reads_every_format(suffix, tmp_path):
    root = folder_of(tmp_path, count=3, suffix=suffix, size=(16, 16))
    loaded = data.load(f"folder:{root}", image_size=16, channels=3)
    images, _ = collect(loaded.test)
    assert images.shape == (2, 16, 16, 3)
    assert images.std() > 20


def test_folder_with_split_folders(tmp_path):
    for split, count in (("train", 5), ("val", 3), ("test", 4)):
        folder_of(tmp_path / split, count=count)
    loaded = data.load(f"folder:{tmp_path}", image_size=8, batch_size=2)
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (10, 6, 8)
    _, labels = collect(loaded.test)
    assert labels.tolist() == [0] * 4 + [1] * 4


def test_folder_splits_off_what_is_missing(tmp_path):
    folder_of(tmp_path / "train", count=10)
    folder_of(tmp_path / "validation", count=3, classes=("bee",))
    loaded = data.load(f"folder:{tmp_path}", image_size=8)
    assert (loaded.train_size, loaded.validation_size, loaded.test_size) == (16, 3, 4)
    assert collect(loaded.validation)[1].tolist() == [1, 1, 1]


def test_a_class_may_be_called_train(tmp_path):
    folder_of(tmp_path, classes=("bus", "train"))
    assert data.load(f"folder:{tmp_path}").class_names == ("bus", "train")


def test_folder_of_grey_images_is_grey(tmp_path):
    root = folder_of(tmp_path, mode="L")
    assert data.load(f"folder:{root}").image_shape == (224, 224, 1)
    picture(root / "ant" / "colour.png")
    assert data.load(f"folder:{root}").image_shape == (224, 224, 3)


def test_odd_images(tmp_path):
    """Grey, transparent, palette, 16-bit, CMYK, turned by EXIF: the picture that a viewer shows."""
    ramp = np.broadcast_to(np.linspace(0, 255, 8).astype(np.uint8)[:, None], (8, 8))

    def read(image: Image.Image, name: str, channels=3, **options) -> np.ndarray:
        image.save(tmp_path / name, **options)
        return folder.read_image(tmp_path / name, (8, 8, channels)).astype(int)

    grey = Image.fromarray(ramp)
    for channels in (1, 3):
        expected = np.repeat(ramp[..., None], channels, axis=-1)
        np.testing.assert_array_equal(read(grey, "grey.png", channels), expected)
        deep = Image.fromarray(ramp.astype(np.uint16) * 257)
        np.testing.assert_array_equal(read(deep, "deep.png", channels), expected)
        rgb = grey.convert("RGB")
        np.testing.assert_array_equal(read(rgb.quantize(8), "p.png", channels), expected)
    assert np.abs(read(rgb.convert("CMYK"), "cmyk.jpg", quality=98)[..., 1] - ramp).max() < 8

    red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    red.paste((0, 0, 255, 255), (0, 0, 4, 8))
    seen = read(red, "transparent.png")
    assert seen[0, 0].tolist() == [0, 0, 255]
    assert seen[0, 7].tolist() == [255, 255, 255]
    clear = Image.new("P", (8, 8), 0)
    clear.putpalette([9, 9, 9, 255, 0, 0])
    assert read(clear, "palette.gif", transparency=0)[0, 0].tolist() == [255, 255, 255]

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    turned = read(grey, "turned.png", channels=1, exif=exif)[..., 0]
    np.testing.assert_array_equal(turned, np.rot90(ramp, -1))

    fine = np.tile(np.uint8([[0, 255], [255, 0]]), (64, 64))
    Image.fromarray(fine).save(tmp_path / "fine.png")
    assert np.abs(folder.read_image(tmp_path / "fine.png", (8, 8, 1)) - 127.5).max() < 4


def test_folder_reads_lazily_and_remembers(tmp_path, monkeypatch):
    root = folder_of(tmp_path, count=20)
    calls = []
    original = folder.read_image
    monkeypatch.setattr(folder, "read_image", lambda *a: calls.append(a) or original(*a))
    loaded = data.load(f"folder:{root}", image_size=8, batch_size=28)
    assert not calls
    first = collect(loaded.train)
    assert len(calls) == 28
    second = collect(loaded.train)
    assert len(calls) == 28
    assert sorted(i.tobytes() for i in first[0]) == sorted(i.tobytes() for i in second[0])
    collect(data.load(f"folder:{root}", image_size=8, batch_size=28, cache=False).train)
    assert len(calls) == 56


def test_a_script_that_still_reads_a_folder_ends(tmp_path):
    folder_of(tmp_path / "images", count=200)
    script = tmp_path / "script.py"
    script.write_text(
        f"""
from zoo import data
sets = [data.load("folder:{tmp_path / "images"}", image_size=128, cache=False) for _ in range(8)]
readers = [iter(each.train_from(0)) for each in sets]
for _ in range(10):
    seen = [next(reader) for reader in readers]
print("read", end="")
"""
    )
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (run.returncode, run.stdout) == (0, "read"), run.stderr


def broken_folder(root: Path, what: str) -> None:
    if what == "nothing":
        return
    folder_of(root, count=5)
    path = root / "bee" / "003.png"
    if what == "one class":
        for image in (root / "ant").iterdir():
            image.unlink()
        (root / "ant").rmdir()
    elif what == "empty class":
        (root / "wasp").mkdir()
        (root / "wasp" / "photo.txt").write_bytes(b"")
    elif what == "top level only":
        for name in ("ant", "bee"):
            (root / name).rename(root / f".{name}")
        picture(root / "a.png")
    elif what == "no image":
        path.write_text("<html>404</html>")
    elif what == "empty file":
        path.write_bytes(b"")
    elif what == "truncated":
        picture(path, size=(60, 60))
        path.write_bytes(path.read_bytes()[:-2000])
    elif what == "truncated jpg":
        jpg = picture(path.with_suffix(".jpg"), size=(60, 60))
        jpg.write_bytes(jpg.read_bytes()[:-1500])
    elif what == "few":
        picture(root / "wasp" / "a.png")
        picture(root / "wasp" / "b.png")
    elif what == "unknown class":
        folder_of(root / "train")
        folder_of(root / "val", classes=("ant", "wasp"))
    elif what == "a file":
        for name in ("ant", "bee"):
            (root / name).rename(root.parent / name)
        root.rmdir()
        root.write_text("")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "there is no folder '.*insects'; give the path as folder:PATH"),
        ("a file", "insects is a file; folder:PATH takes a folder with one folder a class"),
        ("one class", "has one class folder only, 'bee'; a classifier needs two or more"),
        (
            "empty class",
            r"the class folder .*wasp has no images, but other files \(.txt 1\); add some",
        ),
        ("top level only", r"has 1 image\(s\) but no class folders; put the images of each class"),
        ("no image", "cannot read the image .*003.png: it is not an image; repair or remove"),
        ("empty file", "cannot read the image .*003.png: it is not an image; repair or remove"),
        ("truncated", "cannot read the image .*003.png: .*truncated"),
        ("truncated jpg", "cannot read the image .*003.jpg: .*truncated"),
        ("few", r"class 'wasp' has 2 image\(s\), too few to split into train, validation and test"),
        ("unknown class", "has classes that the train folder lacks: wasp"),
    ],
)
def test_broken_folders(what, message, tmp_path):
    broken_folder(tmp_path / "insects", what)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        data.load(f"folder:{tmp_path / 'insects'}")
    assert "\n" not in str(error.value)


def test_images_outside_the_classes_are_reported(tmp_path):
    root = folder_of(tmp_path)
    picture(root / "stray.png")
    with pytest.warns(UserWarning, match=r"has 1 image\(s\) outside the class folders"):
        assert data.load(f"folder:{root}").train_size == 14


def test_an_image_that_breaks_later_is_named_when_it_is_read(tmp_path):
    root = folder_of(tmp_path)
    loaded = data.load(f"folder:{root}", image_size=8)
    for path in (root / "ant").iterdir():
        path.write_text("gone")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"cannot read the image .*ant.*\.png"):
        collect(loaded.test)
