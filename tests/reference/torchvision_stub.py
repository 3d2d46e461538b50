"""Import torchvision beside a PyTorch build that its compiled operators do not fit.

Its models are plain Python; only the names of the operators have to exist.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import torch


def declare_operators() -> None:
    """Declare what torchvision registers fakes for; call it before `import torchvision`."""
    package = Path(importlib.util.find_spec("torch").origin).parents[1] / "torchvision"
    source = (package / "_meta_registrations.py").read_text("utf-8")
    library = torch.library.Library("torchvision", "DEF")
    found = re.findall(r'register_fake\("torchvision::(\w+)"\)|register_meta\("(\w+)"\)', source)
    for name in {fake or meta for fake, meta in found}:
        library.define(f"{name}(Tensor dets) -> Tensor")
    globals()["_keep"] = library
