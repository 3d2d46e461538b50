"""Memory: what is read of files does not stay in it."""

import mmap
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo._memory import kept_on_disk, map_file
from zoo._runtimes import RUNTIMES

SMAPS = Path("/proc/self/smaps")
openvino = pytest.mark.skipif(bool(RUNTIMES["openvino"].missing), reason="openvino not installed")


def resident(path: Path) -> int:
    """Bytes of a mapped file that are in memory."""
    if not (SMAPS.exists() and hasattr(mmap, "MADV_DONTNEED")):
        pytest.skip("needs Linux")
    total, of_it = 0, False
    for line in SMAPS.read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            of_it = line.endswith(str(path))
        elif of_it and first == "Rss:":
            total += int(line.split()[1]) * 1024
    return total


def test_a_mapped_file_is_not_kept_in_memory(tmp_path):
    numbers = np.arange(1_000_000, dtype="float32")
    numbers.tofile(tmp_path / "numbers.bin")
    mapped = map_file(tmp_path / "numbers.bin")
    read = np.frombuffer(mapped, "float32")
    np.testing.assert_array_equal(read, numbers)
    assert resident(tmp_path / "numbers.bin") >= numbers.nbytes
    with kept_on_disk(mapped):
        np.testing.assert_array_equal(read, numbers)
    assert resident(tmp_path / "numbers.bin") == 0
    np.testing.assert_array_equal(read, numbers)


def test_an_empty_file_can_be_mapped(tmp_path):
    (tmp_path / "empty").touch()
    with kept_on_disk(mapped := map_file(tmp_path / "empty")):
        assert mapped[:] == b"\0"


@openvino
def test_openvino_holds_weights_once(tmp_path):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Dense(2000)(keras.layers.Flatten()(image)))
    exported = zoo.export(model, tmp_path / "model.xml")
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    predictor = zoo.Predictor(exported.path)
    expected = model.predict_on_batch(images)
    for _ in range(2):
        np.testing.assert_allclose(predictor(images), expected, rtol=1e-4, atol=1e-2)
    weights = exported.path.with_suffix(".bin")
    assert weights.stat().st_size > 4 * model.count_params() * 0.99
    assert resident(weights) < 0.1 * weights.stat().st_size


@openvino
def test_openvino_runs_a_network_without_weights(tmp_path):
    image = keras.Input((4, 4, 3))
    exported = zoo.export(keras.Model(image, keras.layers.ReLU()(image)), tmp_path / "model.xml")
    assert exported.path.with_suffix(".bin").stat().st_size == 0
    assert zoo.Predictor(exported.path)(np.ones((1, 4, 4, 3))).shape == (1, 4, 4, 3)
