"""Time to build a model and load a checkpoint: ours against keras.applications and timm.

    python benchmarks/load.py [--timm-python PYTHON]

All contestants load the same weights from local files, in turns; the best of the turns counts, and
the ratios are what to look at. Every turn runs in a process of its own, after one unmeasured load
of a small model, so that imports and first-use costs are not in it. Peak memory is the growth of
the process's resident set over the load, and stands as a multiple of the model's size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = {  # ours: (keras.applications, timm)
    "resnet50": (None, "resnet50"),
    "resnet50_v2": ("ResNet50V2", None),
    "vgg16": ("VGG16", "vgg16"),
    "efficientnet_b7": ("EfficientNetB7", "efficientnet_b7"),
}

TURN = """
import json, os, resource, sys, threading, time
who, name, path = sys.argv[1:]

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if who == "zoo":
    import applications, keras, zoo
    warm = os.path.join(os.path.dirname(path), "warm.weights.h5")
    zoo.create("lenet5").save_weights(warm)
    applications.load("lenet5", warm)
    def load():
        return applications.load(name, path, normalization=None)
elif who == "keras":
    import keras
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3), keras.layers.Dense(3)])
    def load():
        model = getattr(keras.applications, name)(weights=None)
        model.load_weights(path)
        return model
else:
    sys.path.insert(0, os.path.join(os.environ["PYTHONPATH"], "tests", "reference"))
    import torchvision_stub
    torchvision_stub.declare_operators()
    import timm, torch
    from safetensors.torch import load_file
    torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.Linear(3, 3))
    def load():
        model = timm.create_model(name)
        model.load_state_dict(load_file(path))
        return model

before, peak, done = resident(), 0, threading.Event()
def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, resident())
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
start = time.perf_counter()
model = load()
seconds = time.perf_counter() - start
done.set()
watcher.join()
print("RESULT", json.dumps([seconds, max(peak, resident()) - before]))
"""


def turn(python: str, who: str, name: str, path: Path) -> tuple[float, int] | None:
    """Seconds and bytes of one load in a new process; None if the contestant is not installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, "-c", TURN, who, name, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        reason = run.stderr.strip().splitlines()[-1:] or ["no reason given"]
        print(f"  {who} {name}: left out ({reason[0]})", file=sys.stderr)
        return None
    seconds, size = json.loads(lines[0].removeprefix("RESULT "))
    return seconds, size


def main() -> None:
    """Write the files, run the turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--timm-python", default=sys.executable, help="that has torch and timm")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import keras
    import numpy as np

    import zoo
    from applications import formats

    folder = Path(tempfile.mkdtemp())
    print(f"{'model':12} {'file':24} {'contestant':10} {'seconds':>8} {'x ours':>7} {'memory':>7}")
    for name, (theirs, timms) in MODELS.items():
        ours = zoo.create(name)
        size = 4 * ours.count_params()
        native = folder / f"{name}.safetensors"
        formats.write(native, {v.path: keras.ops.convert_to_numpy(v) for v in ours.weights})
        contests = [("zoo", name, native, "ours .safetensors")]
        if theirs:
            peer = getattr(keras.applications, theirs)(weights=None)
            file = folder / f"{name}.weights.h5"
            peer.save_weights(file)
            contests += [("zoo", name, file, ".weights.h5"), ("keras", theirs, file, ".weights.h5")]
        file = folder / f"{name}-torch.safetensors"
        if timms and _torch_file(arguments.timm_python, timms, file):
            contests += [("zoo", name, file, "torch .safetensors")]
            contests += [("timm", timms, file, "torch .safetensors")]
        results: dict[int, list[tuple[float, int]]] = {i: [] for i in range(len(contests))}
        for _ in range(arguments.turns):
            for i, (who, model, path, _) in enumerate(contests):
                python = arguments.timm_python if who == "timm" else sys.executable
                result = turn(python, who, model, path)
                if result:
                    results[i].append(result)
        first = min(results[0])[0]
        for i, (who, _, _, what) in enumerate(contests):
            if results[i]:
                seconds = min(s for s, _ in results[i])
                memory = np.median([m for _, m in results[i]]) / size
                print(
                    f"{name:12} {what:24} {who:10} {seconds:8.2f} {seconds / first:7.2f} "
                    f"{memory:6.1f}x",
                    flush=True,
                )


def _torch_file(python: str, name: str, path: Path) -> bool:
    """Write a checkpoint of timm's; False where timm is not installed."""
    code = (
        "import sys, torchvision_stub; torchvision_stub.declare_operators(); import timm;"
        "from safetensors.torch import save_file;"
        "save_file(timm.create_model(sys.argv[1]).state_dict(), sys.argv[2])"
    )
    command = [python, "-c", code, name, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "reference")}
    return (
        subprocess.run(command, capture_output=True, check=False, env=environment).returncode == 0
    )


if __name__ == "__main__":
    main()
