"""Import torchvision beside a PyTorch build that its compiled operators do not fit.

Its models are plain Python; only the names of the operators have to exist.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

import torch


@functools.cache
def declare_operators() -> torch.library.Library:
    """Declare what torchvision registers fakes for; call it before `import torchvision`.

    They exist as long as the library that is returned.
    """
    package = Path(importlib.util.find_spec("torch").origin).parents[1] / "torchvision"
    source = (package / "_meta_registrations.py").read_text("utf-8")
    library = torch.library.Library("torchvision", "DEF")
    found = re.findall(r'register_fake\("torchvision::(\w+)"\)|register_meta\("(\w+)"\)', source)
    for name in {fake or meta for fake, meta in found}:
        library.define(f"{name}(Tensor dets) -> Tensor")
    return library
