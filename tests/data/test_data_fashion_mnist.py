"""Fashion-MNIST: its files, packed and not, broken and whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from image_files import collect, fashion_folder, idx

from zoo import data
from zoo.data import embedded

DEBIAN = Path(embedded.FASHION_FOLDERS[0])


def test_idx_files_packed_and_not(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", ())
    packed = data.load("fashion_mnist", data_dir=fashion_folder(tmp_path / "a"))
    plain = data.load("fashion_mnist", data_dir=fashion_folder(tmp_path / "b", packed=False))
    np.testing.assert_array_equal(collect(packed.test)[0], collect(plain.test)[0])
    assert (packed.train_size, packed.validation_size, packed.test_size) == (90, 10, 100)
    expected = embedded.read_idx(tmp_path / "b" / "t10k-images-idx3-ubyte", 3)
    np.testing.assert_array_equal(collect(plain.test)[0][..., 0], expected)


def test_usual_folders_are_looked_through(tmp_path, monkeypatch):
    folders = (str(tmp_path / "none"), str(fashion_folder(tmp_path / "usual")))
    monkeypatch.setattr(embedded, "FASHION_FOLDERS", folders)
    assert data.load("fashion_mnist").test_size == 100
    with pytest.raises(FileNotFoundError, match="empty has none of Fashion-MNIST's four files"):
        data.load("fashion_mnist", data_dir=tmp_path / "empty")


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="needs Fashion-MNIST's files: apt-get install dataset-fashion-mnist"
)
def test_the_real_fashion_mnist():
    loaded = data.load("fashion_mnist")
    assert str(loaded) == (
        "fashion_mnist: 10 classes, images 28 x 28 x 1; "
        "54,000 train, 6,000 validation, 10,000 test; batches of 32"
    )
    images, labels = collect(loaded.test)
    assert np.bincount(labels).tolist() == [1000] * 10
    assert [loaded.class_names[k] for k in labels[:4]] == [
        "Ankle boot",
        "Pullover",
        "Trouser",
        "Trouser",
    ]
    assert images.mean() == pytest.approx(73.147, abs=0.01)


def broken_fashion(root: Path, what: str) -> None:
    fashion_folder(root)
    images = root / "train-images-idx3-ubyte.gz"
    content = gzip.decompress(images.read_bytes())
    if what == "missing":
        images.unlink()
    elif what == "truncated":
        images.write_bytes(gzip.compress(content[:-1]))
    elif what == "header":
        images.write_bytes(gzip.compress(content[:10]))
    elif what == "packed badly":
        images.write_bytes(images.read_bytes()[:-500])
    elif what == "no gzip":
        images.write_bytes(b"<html>404</html>")
    elif what == "magic":
        images.write_bytes(gzip.compress(b"\x89PNG" + content))
    elif what == "fewer labels":
        (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(9, np.uint8))))
    elif what == "labels":
        wrong = np.full(100, 11, np.uint8)
        (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(wrong)))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "has 3 of Fashion-MNIST's four files; missing: train-images-idx3-ubyte"),
        ("truncated", "is truncated or damaged: 78,415 bytes instead of 78,416"),
        ("header", "is truncated or damaged: 10 bytes instead of at least 16"),
        ("packed badly", "cannot read .*train-images-idx3-ubyte.gz .*; fetch the file again"),
        ("no gzip", "cannot read .*train-images-idx3-ubyte.gz .*Not a gzipped file"),
        ("magic", "is no IDX file of 3 .*starts with 89504e47 and should with 00000803"),
        ("fewer labels", "has 100 images and .* 9 labels; they must be as many"),
        ("labels", "has the label 11; accepted are 0 to 9"),
    ],
)
def test_broken_idx_files(what, message, tmp_path):
    broken_fashion(tmp_path / "fashion", what)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        data.load("fashion_mnist", data_dir=tmp_path / "fashion")
    assert "\n" not in str(error.value)
