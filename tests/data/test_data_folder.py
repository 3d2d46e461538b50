"""Folders of images: what they may look like, and what is said when one is broken."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from image_files import collect, damage, folder_of, picture
from PIL import Image, features

import applications
import zoo
from zoo import data, training
from zoo.card import Preprocess, Stretch, with_card
from zoo.data import checking
from zoo.photographs import stretched


def test_folder_reads_nested_and_leaves_hidden_out(tmp_path):
    root = folder_of(tmp_path / "insects", classes=("bee", "ant"), count=6)
    picture(root / "ant" / "deep" / "deeper" / "x.PNG", seed=77)
    (root / "ant" / ".hidden.png").write_bytes(b"no image")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    (root / "__MACOSX" / "ant").mkdir(parents=True)
    (root / "readme.md").write_text("")
    with pytest.warns(
        UserWarning, match=r"insects: 1 file is not an image and was left out: .txt 1$"
    ):
        loaded = data.load(f"folder:{root}")
    assert loaded.class_names == ("ant", "bee")
    assert loaded.image_shape == (224, 224, 3)
    assert loaded.train_size + loaded.validation_size + loaded.test_size == 13


SUFFIXES = [
    ".jpg",
    ".JPG",
    ".jfif",
    ".png",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".TIFF",
    ".ppm",
    ".tga",
]


@pytest.mark.parametrize("suffix", [*SUFFIXES, *[".avif"] * features.check("avif")])
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


def test_shrinking_is_antialiased(tmp_path):
    fine = np.tile(np.uint8([[0, 255], [255, 0]]), (64, 64))
    Image.fromarray(fine).save(tmp_path / "fine.png")
    assert np.abs(stretched(tmp_path / "fine.png", (8, 8), 1).astype(float) - 127.5).max() < 4


def test_folder_reads_lazily_and_remembers(tmp_path, monkeypatch):
    root = folder_of(tmp_path, count=20)
    calls = []
    original = Stretch.__call__
    monkeypatch.setattr(Stretch, "__call__", lambda *a: calls.append(a) or original(*a))
    loaded = data.load(f"folder:{root}", image_size=8, batch_size=28)
    assert not calls
    first = collect(loaded.train)
    assert len(calls) == 28
    second = collect(loaded.train)
    assert len(calls) == 28
    assert sorted(i.tobytes() for i in first[0]) == sorted(i.tobytes() for i in second[0])
    collect(data.load(f"folder:{root}", image_size=8, batch_size=28, cache=False).train)
    assert len(calls) == 56


def test_a_folder_is_cropped_as_the_models_photographs_are(tmp_path):
    root = folder_of(tmp_path, count=20)
    how = Preprocess(12, 8, "bicubic")
    loaded = data.load(f"folder:{root}", preprocess=how)
    assert (loaded.image_shape[:2], loaded.preprocess) == ((8, 8), how)
    first, _ = next(iter(loaded.train_in_order.unbatch()))
    files = [how(path, 3).tobytes() for path in root.rglob("*.png")]
    assert first.numpy().astype("uint8").tobytes() in files
    model = with_card(
        zoo.create("cnn", input_shape=(16, 16, 3), num_classes=2), preprocess=Preprocess(24, 16)
    )
    assert data.data_for(model, f"folder:{root}").preprocess == Preprocess(24, 16)
    with pytest.raises(ValueError, match="leave image_size out"):
        data.load(f"folder:{root}", preprocess=how, image_size=8)
    with pytest.raises(ValueError, match="preprocess is for folder:PATH"):
        data.load("digits", preprocess=how)


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
            r"folder .*wasp has no images, but other files \(.txt 1\); add some",
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


def test_what_is_left_out_is_one_line(tmp_path):
    root = folder_of(tmp_path)
    for name in ("a.txt", "b.TXT", "c.pdf", "d.h5", "README"):
        (root / "ant" / name).write_text("")
    line = "5 files are not images and were left out: .txt 2, without suffix 1, .pdf 1, .h5 1$"
    with pytest.warns(UserWarning, match=line) as warned:
        data.load(f"folder:{root}")
    assert [warning.filename for warning in warned] == [__file__]


# --- damaged files


def damaged_folder(root: Path, damaged: int = 3) -> Path:
    """Images are large enough for their damage to be in their middle."""
    folder_of(root, count=8, suffix=".jpg", size=(60, 50), quality=95)
    for image in sorted((root / "bee").iterdir())[:damaged]:
        damage(image)
    return root


def test_all_damaged_files_are_named_before_training(tmp_path):
    """A file damaged in its middle, wherever it lies: its header says nothing of it."""
    root = damaged_folder(tmp_path)
    named = r"cannot read 3 of 16 images in .*: bee/000\.jpg"
    with pytest.raises(ValueError, match=named) as error:
        data.load(f"folder:{root}")
    assert str(error.value).count("broken data stream") == 3
    assert "skip_unreadable=True), on the command line --skip-unreadable" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match=r"left out: cannot read 3 of 16 images .*bee/002\.jpg"):
        loaded = data.load(f"folder:{root}", image_size=8, batch_size=2, skip_unreadable=True)
    assert loaded.class_counts == (5, 3)
    assert len(collect(loaded.train_in_order)[0]) == loaded.train_size == 8
    damaged_folder(root, damaged=8)
    with pytest.raises(ValueError, match="none of the training images of class 'bee' can be read"):
        data.load(f"folder:{root}", skip_unreadable=True)


def test_very_many_damaged_files_are_counted(tmp_path):
    found = {tmp_path / f"{i}.png": checking.Finding(1, 1, False, 0, "cut") for i in range(25)}
    text = checking.sentence(tmp_path, found)
    assert text.startswith(f"cannot read 25 of 25 images in {tmp_path}: 0.png (cut), 1.png (cut)")
    assert text.endswith("19.png (cut), and 5 more")


def test_a_check_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    root = damaged_folder(tmp_path / "images", damaged=1)
    read = []
    examined = checking.examined
    monkeypatch.setattr(checking, "examined", lambda path: read.append(path) or examined(path))

    def check() -> list[str]:
        read.clear()
        with pytest.warns(UserWarning, match="left out: cannot read the image"):
            data.load(f"folder:{root}", skip_unreadable=True)
        return sorted(path.name for path in read)

    assert len(check()) == 16
    assert not (tmp_path / "cache").exists()  # what is quick is not remembered
    monkeypatch.setattr(checking, "PATIENCE", 0)
    assert len(check()) == 16
    assert check() == ["000.jpg"]  # the damaged one is looked at again
    picture(root / "ant" / "005.jpg", seed=3)
    assert check() == ["000.jpg", "005.jpg"]
    assert check() == ["000.jpg"]
    (memory,) = (tmp_path / "cache" / "checked").iterdir()
    for broken in ("{", "[]", '{"reader": 3}', memory.read_text().replace(checking.READER, "0")):
        memory.write_text(broken)
        assert len(check()) == 16


def test_large_images_are_read_without_a_word(tmp_path, monkeypatch):
    """Pillow's warning comes with each of them, in each thread."""
    root = folder_of(tmp_path, size=(40, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        collect(data.load(f"folder:{root}", image_size=8, batch_size=4).train)
    assert not [w for w in caught if issubclass(w.category, Image.DecompressionBombWarning)]


# --- folders and links


def test_links(tmp_path):
    root = folder_of(tmp_path / "insects", count=4)
    folder_of(tmp_path / "more", classes=("x",), count=3)
    (root / "ant" / "linked").symlink_to(tmp_path / "more" / "x")
    (root / "ant" / "loop").symlink_to(root)
    (root / "ant" / "itself").symlink_to(root / "ant")
    for one, other in (("one", "other"), ("other", "one")):
        (root / "ant" / one).mkdir()
        (root / "ant" / one / "across").symlink_to(root / "ant" / other)
    picture(root / "ant" / "one" / "x.png")
    (root / "nowhere").symlink_to(root / "nowhere")
    loaded = data.load(f"folder:{root}", validation_split=0, test_split=0)
    assert loaded.class_counts == (8, 4)
    (root / "ant" / "gone.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ValueError, match=r"cannot read the image .*gone\.png: No such file"):
        data.load(f"folder:{root}")
    (root / "wasp").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="wasp is a link to a folder that it lies in; remove it"):
        data.load(f"folder:{root}")


@pytest.mark.parametrize("where", ["", "bee"])
def test_a_folder_that_may_not_be_listed(where, tmp_path, monkeypatch):
    root = folder_of(tmp_path / "insects", count=4)
    hidden = root / where
    for name in ("listdir", "scandir"):
        original = getattr(os, name)

        def refuse(path, original=original):
            if Path(path) == hidden:
                raise PermissionError(13, "Permission denied", str(path))
            return original(path)

        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(PermissionError, match=f"look into the folder {hidden}: Permission denied"):
        data.load(f"folder:{root}")


def test_a_folder_without_its_prefix(tmp_path, monkeypatch):
    folder_of(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    for name in ("photos", Path("photos"), "./photos"):
        with pytest.raises(ValueError, match=f"it is a folder: did you mean 'folder:{name}'"):
            data.load(name)


# --- files that change while they are used


def trained(model, loaded, tmp_path):
    recipe = training.Recipe(epochs=1)
    training.train(model, loaded, recipe, run_dir=tmp_path / "run", verbose=0)


WAYS = {
    "train": trained,
    "evaluate": lambda model, loaded, _: applications.evaluate(model, loaded),
    "embed": lambda model, loaded, _: applications.embed(model, loaded),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_image_that_breaks_later_is_one_sentence(way, tmp_path):
    root = folder_of(tmp_path / "insects")
    loaded = data.load(f"folder:{root}", image_size=8, channels=1, batch_size=4)
    for path in (root / "ant").iterdir():
        path.write_text("gone")
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    with pytest.raises(ValueError, match=r"^cannot read the image .*ant.*\.png: .*") as error:
        WAYS[way](keras.Sequential(layers), loaded, tmp_path)
    assert "\n" not in str(error.value)
