"""OpenVINO: an .xml file with the network, and a .bin with its weights beside it."""

from __future__ import annotations

import functools
import mmap
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.card import KEY, Card
from zoo.inference.runtimes.base import Network, Precision, Runtime, single_input

if TYPE_CHECKING:
    import numpy as np

KEPT_SHAPES = 8  # shapes of images for which a compiled network is kept


class OpenVINO(Runtime):
    """An .xml file and its .bin, run by openvino. The card is among the network's `rt_info`."""

    name = "openvino"
    suffix = ".xml"
    packages = ("tensorflow", "openvino")
    extra = "openvino"
    precisions = ("float32", "float16")

    def convert(
        self,
        saved: Path,
        path: Path,
        *,
        outputs: Collection[str],
        precision: Precision = "float32",
        calibration: np.ndarray | None = None,
    ) -> None:
        """Convert a SavedModel, and keep of each output's names the one that we gave it."""
        openvino = import_openvino()
        converted = openvino.convert_model(str(saved))
        for port in converted.outputs:
            tensor = port.get_tensor()
            tensor.set_names(tensor.names & set(outputs))
        openvino.save_model(converted, str(path), compress_to_fp16=precision == "float16")

    def open(self, path: Path, threads: int) -> Network:
        """Open a file; it is compiled for each shape of images, which is faster than a free one."""
        core = import_openvino().Core()
        network = core.read_model(str(path))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
        }

        @functools.lru_cache(KEPT_SHAPES)
        def compiled(shape: tuple[int, ...]) -> Any:
            fixed = network.clone()
            fixed.reshape(list(shape))
            return core.compile_model(fixed, "CPU", settings)

        def infer(images: np.ndarray) -> Mapping[str, np.ndarray]:
            made = compiled(images.shape)(images)
            return {port.any_name: array for port, array in made.items()}

        sizes = single_input(network.inputs).partial_shape
        return Network(tuple(n.get_length() if n.is_static else None for n in sizes), infer)

    def write_card(self, path: Path, card: Card) -> None:
        """Write the card into the XML."""
        from xml.etree import ElementTree

        tree = ElementTree.parse(path)
        net = tree.getroot()
        information = net.find("rt_info")
        if information is None:
            information = ElementTree.SubElement(net, "rt_info")
        ElementTree.SubElement(information, KEY, value=card.to_json())
        tree.write(path, encoding="utf-8", xml_declaration=True)

    def read_card(self, path: Path) -> Card | None:
        """Read the card from the XML."""
        from xml.etree import ElementTree

        found = ElementTree.parse(path).getroot().find(f"rt_info/{KEY}")
        return None if found is None else Card.from_json(found.get("value", ""))

    def recognizes(self, path: Path) -> bool:
        """Look for the XML's first element."""
        with path.open("rb") as file:
            return re.match(rb"\s*(<\?xml[^>]*>)?\s*<net\b", file.read(4096)) is not None

    def companions(self, path: Path, size: int) -> tuple[str, ...]:
        """Name the .bin."""
        return (path.with_suffix(".bin").name,)

    def is_companion(self, weights: Path, path: Path) -> bool:
        """Whether the .bin ends where the last weights do that the XML mentions."""
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            stored = re.findall(rb'offset="(\d+)" size="(\d+)"', text)
        end = max((int(start) + int(size) for start, size in stored), default=0)
        return weights.stat().st_size == end


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    Importing `openvino` reports that over the network, from a process that it forks beside the
    threads of this one. Where the module `openvino_telemetry` cannot be imported, it does not.
    """
    import sys

    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)  # makes its import fail
    import openvino

    if modules["openvino_telemetry"] is None:
        del modules["openvino_telemetry"]
    return openvino
