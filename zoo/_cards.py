"""The card in what `zoo.export` writes, in the place that each format has for such things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from zoo.card import KEY, MEMBER, Card, read_member, write_member


def sign(path: Path, runtime: str, card: Card) -> None:
    """Put a card into an exported file.

    Args:
        path: The file, or a SavedModel's folder.
        runtime: Its runtime.
        card: The card.
    """
    PLACES[runtime].write(path, card)


def card_in(path: Path, runtime: str) -> Card:
    """The card of an exported file; an empty one if it has none.

    Raises:
        ValueError: If it is damaged.
    """
    return PLACES[runtime].read(path) or Card()


def _write_savedmodel(path: Path, card: Card) -> None:
    file = path / "assets.extra" / MEMBER
    file.parent.mkdir(exist_ok=True)
    file.write_text(card.to_json(), "utf-8")


def _read_savedmodel(path: Path) -> Card | None:
    file = path / "assets.extra" / MEMBER
    return Card.from_json(file.read_text("utf-8")) if file.exists() else None


def _write_onnx(path: Path, card: Card) -> None:
    import onnx

    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    path.write_bytes(model.SerializeToString())


def _read_onnx(path: Path) -> Card | None:
    import onnx

    model = onnx.load(path, load_external_data=False)
    found = [entry.value for entry in model.metadata_props if entry.key == KEY]
    return Card.from_json(found[0]) if found else None


def _write_openvino(path: Path, card: Card) -> None:
    from xml.etree import ElementTree

    tree = ElementTree.parse(path)
    net = tree.getroot()
    information = net.find("rt_info")
    if information is None:
        information = ElementTree.SubElement(net, "rt_info")
    ElementTree.SubElement(information, KEY, value=card.to_json())
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _read_openvino(path: Path) -> Card | None:
    from xml.etree import ElementTree

    found = ElementTree.parse(path).getroot().find(f"rt_info/{KEY}")
    return None if found is None else Card.from_json(found.get("value", ""))


class Place(NamedTuple):
    """Where a format keeps the card."""

    write: Callable[[Path, Card], None]
    read: Callable[[Path], Card | None]


PLACES = {
    "savedmodel": Place(_write_savedmodel, _read_savedmodel),
    "litert": Place(write_member, read_member),
    "onnx": Place(_write_onnx, _read_onnx),
    "openvino": Place(_write_openvino, _read_openvino),
}
