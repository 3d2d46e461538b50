"""What Vision Transformers and Swin Transformers have that other families lack."""

from __future__ import annotations

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from building import symbolic
from golden import FOLDER, images, load

import applications
import zoo
from applications.weights import formats
from applications.weights.arrays import resized_grid
from applications.weights.matching import plan, tables
from zoo._blocks import mlp
from zoo.layers.windows import cut_into_windows, shifted_window_mask


@pytest.fixture
def write(tmp_path):
    """A function that writes a golden's tensors, renamed or left out where `rename` gives None."""

    def written(golden, rename=lambda name: name):
        tensors = {rename(name): values for name, values in golden.tensors.items()}
        tensors.pop(None, None)
        formats.write(tmp_path / "checkpoint.safetensors", tensors)
        return tmp_path / "checkpoint.safetensors"

    return written


HEADS = {
    "resnet18.torchvision": "fc.",
    "mobilenet_v2_035.keras": "predictions/",
    "deit_ti_16_distilled.timm": "head",
    "vit_s_14_dinov2_reg.dinov2": "head.",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_file_without_a_head(name, write):
    """Gives features, or a head with its initial weights, and says so."""
    golden = load(FOLDER / f"{name}.npz")
    head = HEADS[name]
    file = write(golden, lambda name: None if name.startswith(head) else name)
    options = {"input_shape": (*golden.size, 3), **golden.options}
    plain = applications.load(golden.model, file, **options)
    assert plain.load_report.source == golden.source
    assert not plain.load_report.initialized
    assert "head_dense" not in [layer.name for layer in plain.layers]
    other = applications.load(golden.model, file, num_classes=3, **options)
    assert other.output_shape == (None, 3)
    kinds = ["head", "head_distilled"] if "distilled" in name else ["head"]
    expected = {f"{kind}_dense/{array}" for kind in kinds for array in ("kernel", "bias")}
    assert set(other.load_report.initialized) == expected
    assert "initialised anew: head_dense/kernel" in str(other.load_report)
    assert other.load_report.loaded == plain.load_report.loaded


def test_half_a_head_is_no_file_without_one(write):
    golden = load(FOLDER / "resnet18.torchvision.npz")
    file = write(golden, lambda name: None if name == "fc.weight" else name)
    with pytest.raises(applications.WeightsError, match="the file lacks head_dense/kernel"):
        applications.load("resnet18", file, num_classes=1000)


def test_both_heads_of_a_distilled_network_are_initialised_anew(write, pixels):
    golden = load(FOLDER / "deit_ti_16_distilled.timm.npz")
    file, options = write(golden), {"input_shape": (*golden.size, 3), "dropout": 0.1}
    model = applications.load(golden.model, file, num_classes=7, **options)
    assert {"head_dense/kernel", "head_distilled_dense/bias"} < set(model.load_report.initialized)
    pooled = applications.load(golden.model, file, pooling="avg", **options)
    assert not pooled.load_report.initialized
    inner = keras.Model(pooled.input, pooled.get_layer("head_pool").output)
    x = pixels(1, *golden.size, 3)
    heads = [pooled.get_layer(f"{name}_dense") for name in ("head", "head_distilled")]
    mean = sum(np.asarray(head(inner(x))) for head in heads) / 2
    np.testing.assert_allclose(np.asarray(pooled(x)), mean, rtol=1e-4, atol=1e-4)


def test_normalization_of_files_without_a_record(write):
    golden = load(FOLDER / "vit_s_14_dinov2_reg.timm.npz")
    file, size = write(golden), golden.size
    model = applications.load(golden.model, file, input_shape=(*size, 3))
    scale = np.ravel(model.get_layer("normalization").scale)
    np.testing.assert_allclose(scale, 1 / (255 * np.array([0.229, 0.224, 0.225])), rtol=1e-4)
    grey = applications.load(golden.model, file, input_shape=(*size, 1), num_classes=0)
    np.testing.assert_allclose(grey.get_layer("normalization").scale, [1 / 57.6], rtol=1e-3)


@pytest.mark.parametrize("source", ["timm", "dinov2"])
def test_position_embeddings_of_dinov2_are_resized(source, tmp_path):
    """From 37 x 37 places; the class token has a position in Meta's files alone."""
    golden = load(FOLDER / f"vit_s_14_dinov2_reg.{source}.npz")
    tensors = golden.tensors
    grid = np.random.default_rng(0).normal(size=(1, 37 * 37, 384)).astype("float32")
    before = tensors["pos_embed"][:, :1] if source == "dinov2" else grid[:, :0]
    tensors["pos_embed"] = np.concatenate([before, grid], axis=1)
    formats.write(tmp_path / "518.safetensors", tensors)
    model = applications.load(golden.model, tmp_path / "518.safetensors", input_shape=(70, 98, 3))
    assert model.load_report.adapted == {
        "position_embedding/embedding": "resized from 37 x 37 places to 5 x 7"
    }
    table = np.asarray(model.get_layer("position_embedding").embedding)
    expected = before[0] if source == "dinov2" else np.zeros((1, 384))
    np.testing.assert_array_equal(table[:1], expected)
    resized = resized_grid(grid, (37, 37), (5, 7))
    np.testing.assert_allclose(table[1:], resized, atol=1e-6)


def test_metas_names_of_dinov2(write):
    """Without registers they are timm's, beside the mask's token; of the giant's MLP others."""
    golden = load(FOLDER / "vit_s_14_dinov2.timm.npz")
    model = symbolic(zoo.create, golden.model, input_shape=(*golden.size, 3), num_classes=0)
    file = write(golden, {"head.weight": "mask_token", "head.bias": None}.get)
    tensors = {**golden.tensors, "mask_token": np.zeros((1, 384), "float32")}
    formats.write(file, {name: x for name, x in tensors.items() if not name.startswith("head")})
    with formats.read(file) as checkpoint:
        _, report = plan(model, checkpoint)
    assert report.ignored == ("mask_token",)
    small = load(FOLDER / "vit_s_14_dinov2_reg.dinov2.npz").shapes
    giant = {
        re.sub(r"mlp.fc(\d)", lambda m: f"mlp.w{'12' if m[1] == '1' else '3'}", x) for x in small
    }
    giant |= {re.sub(r"blocks.0", f"blocks.{b}", x) for x in giant for b in range(12, 40)}
    model = symbolic(zoo.create, "vit_g_14_dinov2_reg", input_shape=(70, 70, 3))
    table = [*tables("dinov2", "dinov2")][-1]
    assert {name for _, _, name, _ in table.pairs(model)} == giant - {"mask_token"}


def test_metas_names_of_deit3(write):
    golden = load(FOLDER / "deit3_s_16.timm.npz")
    file = write(golden, lambda name: re.sub(r"ls(\d).gamma", r"gamma_\1", name))
    x = images(golden.size)
    model = applications.load(golden.model, file, input_shape=x.shape[1:], normalization=None)
    logits = np.asarray(model(x))
    assert np.abs(logits - golden.logits).max() < 1e-4 * np.abs(golden.logits).max()


def test_gated_mlp():
    """SwiGLU as DINOv2's giant has it: the first half is activated."""
    inputs = keras.Input((5, 8))
    o = SimpleNamespace(norm="layer", activation="silu")
    model = keras.Model(inputs, mlp(inputs, o, 6, gated=True, name="mlp"))
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    kernel1, bias1, kernel2, bias2 = model.get_weights()
    gate, y = np.split(x @ kernel1 + bias1, 2, axis=-1)
    expected = (gate / (1 + np.exp(-gate)) * y) @ kernel2 + bias2
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-4, atol=1e-5)


def test_tables_of_swin_for_windows_of_another_size(write):
    """They are resized, as images are, and the report says so; version 2 has none."""
    golden = load(FOLDER / "swin_t.timm.npz")
    model = symbolic(zoo.create, "swin_t", input_shape=(96, 96, 3), window_size=(7, 12, 12, 6))
    with formats.read(write(golden)) as checkpoint:
        _, report = plan(model, checkpoint)
    name = "stage{}_block1_attention/table"
    assert report.adapted[name.format(1)] == "resized from 13 x 13 places to 23 x 23"
    assert report.adapted[name.format(3)] == "resized from 13 x 13 places to 11 x 11"
    assert name.format(0) not in report.adapted
    assert len(report.adapted) == 2 + 6 + 2
    assert "stage1_block1_attention/table: resized from 13 x 13" in str(report)
    golden = load(FOLDER / "swin_v2_t.timm.npz")
    model = symbolic(zoo.create, "swin_v2_t", input_shape=(96, 96, 3), window_size=12)
    with formats.read(write(golden)) as checkpoint:
        _, report = plan(model, checkpoint)
    assert not report.adapted


def test_resized_tables_of_swin(write):
    golden = load(FOLDER / "swin_t.timm.npz")
    options = {"input_shape": (64, 64, 3), "num_classes": 0, "window_size": (4, 7, 7, 7)}
    model = applications.load("swin_t", write(golden), **options)
    theirs = golden.tensors["layers.0.blocks.1.attn.relative_position_bias_table"]
    expected = resized_grid(theirs, (13, 13), (7, 7))
    table = np.asarray(model.get_layer("stage0_block1_attention").table)
    np.testing.assert_allclose(table, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_microsofts_names_of_swin(name, write):
    """A stage ends there with the merging that begins timm's, and masks are stored."""
    golden = load(FOLDER / f"{name}.timm.npz")

    def rename(theirs):
        earlier = re.sub(
            r"layers.(\d).downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", theirs
        )
        return earlier.replace("head.fc", "head")

    file = write(golden, rename)
    with formats.read(file) as checkpoint:
        tensors = {key: np.array(values) for key, values in checkpoint.items()}
    formats.write(file, {**tensors, "layers.0.blocks.1.attn_mask": np.zeros((64, 49, 49))})
    model = symbolic(zoo.create, name, input_shape=(224, 224, 3))
    with formats.read(file) as checkpoint:
        _, report = plan(model, checkpoint)
    assert report.source == "timm"
    assert report.ignored == ("layers.0.blocks.1.attn_mask",)
    assert not report.adapted
    assert len(report.loaded) == len(tensors)


@pytest.mark.parametrize("steps", [(1, 1), (1, 2)])
def test_the_mask_of_shifted_windows_keeps_neighbours_together(steps):
    """Pixels see each other if they were within a window's reach before the map was rolled."""
    sizes, window = (6, 4 * steps[1]), (3, 2)
    shifts = (1, steps[1])
    mask = shifted_window_mask(sizes, window, steps, shifts)
    assert mask.shape == (4 * steps[1], 1, 6, 6)
    rows, columns = np.meshgrid(*map(np.arange, sizes), indexing="ij")
    image = np.stack([rows, columns], axis=-1)[None]
    rolled = np.roll(image, [-shift for shift in shifts], (1, 2))
    places = cut_into_windows(np, rolled, window, steps)[0]  # (windows, N, 2)
    distances = abs(places[:, :, None] - places[:, None])
    reach = np.multiply(window, steps)
    np.testing.assert_array_equal(mask[:, 0], (distances >= reach).any(axis=-1))
    assert mask.any()
    assert not mask[0].any()


def test_window_sizes_are_checked():
    for wrong in (0, 7.0, True, (7, 7), "7"):
        with pytest.raises(ValueError, match="swin_t: window_size must be a whole number above 0"):
            symbolic(zoo.create, "swin_t", window_size=wrong)
