"""Run a benchmark: `python -m benchmarks NAME [--models A,B] [--turns N] [--peer-python PYTHON]`.

Without a name, lists them. Results go to benchmarks/results/NAME.csv and .png; what was measured
before of other models or on other machines stays there. The picture is of this machine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import contest, picture
from benchmarks.contest import ROOT

HIDDEN = ("contest", "picture", "peers")


def names() -> list[str]:
    """The benchmarks: the files of this folder that are not plumbing."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    return [name for name in files if not name.startswith("_") and name not in HIDDEN]


def main() -> None:
    """Run one by its name."""
    if len(sys.argv) < 2 or sys.argv[1] not in names():
        print(__doc__)
        for name in names():
            first = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]
            print(f"  {name:12} {first}")
        raise SystemExit(0 if len(sys.argv) < 2 else 2)
    name = sys.argv.pop(1)
    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "main"):  # one with options of its own
        module.main()
        return
    parser = argparse.ArgumentParser(f"python -m benchmarks {name}", description=module.__doc__)
    parser.add_argument("--models", help="names of the zoo's, with commas between")
    parser.add_argument("--turns", type=int, default=5, help="of each contestant")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--peer-python", default=sys.executable, help="that has torch and timm")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    models = options.models.split(",") if options.models else module.MODELS
    options.out.mkdir(parents=True, exist_ok=True)
    keep = getattr(module, "KEEP", True)
    table = options.out / f"{name}.csv"
    here, elsewhere = contest.read_csv(table) if keep else ([], [])
    kept = {rows[0].case: rows for rows in here}
    measured = {}
    for case in module.cases(models, options.peer_python):
        print(f"{case.name}", flush=True)
        rows = contest.run(case, turns=options.turns, seconds=options.seconds)
        print(picture.table(rows), flush=True)
        if rows:
            measured[case.name] = rows
        if keep:  # after every case: nothing is lost on the way
            contest.write_csv(table, [*(kept | measured).values(), *elsewhere])
    print("\n" + picture.summary(list(measured.values())))
    every = [rows for _, rows in sorted((kept | measured).items())]
    if keep and any(row.goal for rows in every for row in rows):
        print(picture.draw(name, every, table.with_suffix(".png")))


if __name__ == "__main__":
    main()
