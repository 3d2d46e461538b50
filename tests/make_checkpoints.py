"""Write the small checkpoints in `checkpoints/` as PyTorch itself writes them.

    python tests/data/make_checkpoints.py

Needs torch and safetensors, which the tests do not. `VALUES` says what the files hold; the tests
import it.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "checkpoints"


def ramp(*shape, dtype="float32"):
    """-1, -0.75, ...: exact in every floating-point type here."""
    return (np.arange(np.prod(shape, dtype=int)).reshape(shape) * 0.25 - 1).astype(dtype)


PLAIN = {
    "conv.weight": ramp(4, 3, 3, 3),
    "conv.bias": ramp(4, dtype="float16"),
    "bn.running_mean": ramp(4, dtype="float64"),
    "bn.num_batches_tracked": np.array(7),
    "mask": np.array([True, False, True]),
    "bytes": np.arange(5, dtype=np.uint8),
    "empty": np.zeros((0, 3), np.float32),
}
BASE = ramp(6, 4)
VALUES = {
    "zip.pth": PLAIN,
    "legacy.pth": PLAIN,
    "module_prefix.pth": PLAIN,
    "bfloat16.pth": {"weight": ramp(3, 5), "bias": ramp(3)},
    "bfloat16.safetensors": {"weight": ramp(3, 5), "bias": ramp(3)},
    "views.pth": {
        "base": BASE,
        "transposed": BASE.T,
        "row": BASE[2],
        "column": BASE[:, 1],
        "steps": BASE[1::2, ::3],
        "expanded": np.broadcast_to(BASE[0, :1], (5,)),
        "unsigned": np.arange(3, dtype=np.uint16),
    },
    "views_legacy.pth": {"base": BASE, "transposed": BASE.T, "row": BASE[2]},
    "nested.pth": PLAIN,
}


def main():
    """Write them all."""
    import argparse
    import collections

    import torch
    from safetensors.torch import save_file

    def tensors(values, dtype=None):
        found = {name: torch.from_numpy(value.copy()) for name, value in values.items()}
        return {name: value.to(dtype) for name, value in found.items()} if dtype else found

    def save(value, name, **options):
        torch.save(value, FOLDER / name, **options)

    FOLDER.mkdir(exist_ok=True)
    plain = collections.OrderedDict(tensors(PLAIN))
    save(plain, "zip.pth")
    save(plain, "legacy.pth", _use_new_zipfile_serialization=False)
    save({f"module.{name}": value for name, value in plain.items()}, "module_prefix.pth")
    small = tensors(VALUES["bfloat16.pth"], torch.bfloat16)
    save(small, "bfloat16.pth")
    save_file(small, FOLDER / "bfloat16.safetensors", {"format": "pt"})
    base = torch.from_numpy(BASE.copy())
    views = {
        "base": base,
        "transposed": base.T,
        "row": torch.nn.Parameter(base[2]),
        "column": base[:, 1],
        "steps": base[1::2, ::3],
        "expanded": base[0, :1].expand(5),
        "unsigned": torch.arange(3).to(torch.uint16),
    }
    save(views, "views.pth")
    legacy = {name: views[name] for name in VALUES["views_legacy.pth"]}
    save(legacy, "views_legacy.pth", _use_new_zipfile_serialization=False)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    averaged = {f"module.{name}": value for name, value in plain.items()}
    nested = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, milestones=collections.Counter([1, 2])),
        "best": np.float64(0.5),
        "optimizer": optimizer.state_dict(),
        "model": model.state_dict(),
        "model_ema": {"n_averaged": torch.tensor(3), **averaged},
    }
    save(nested, "nested.pth")
    save(model, "whole_model.pth")
    save({"sparse": torch.eye(3).to_sparse()}, "sparse.pth")


if __name__ == "__main__":
    main()
