"""A search while it runs: a live table on a terminal, else a line for each trial that ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from tuning import results
from tuning.results import SearchResult, Trial
from tuning.searching.settings import Settings
from zoo.graph.profile import human

EVERY = 1.0  # seconds between two looks at the folder
ROWS = 12  # of the table: the best and the latest


class Live:
    """Shows a search that runs; a context manager.

    Args:
        settings: Of the search.
        verbose: 0: nothing is shown.
    """

    def __init__(self, settings: Settings, verbose: int) -> None:
        self.settings = settings
        self.verbose = verbose
        self._told: set[str] = set()
        self._looked = 0.0
        self._started = time.monotonic()
        self._screen: Any = None

    def __enter__(self) -> Live:
        if self.verbose and sys.stdout.isatty():
            from rich.live import Live as Screen

            self._screen = Screen(auto_refresh=False)
            self._screen.start()
        found = self._read()
        self._before = _trained(found) if found else 0
        return self

    def __exit__(self, *error: object) -> None:
        self.refresh(now=True)
        if self._screen is not None:
            self._screen.stop()

    def _read(self) -> SearchResult | None:
        try:
            return results.read(self.settings.run_dir)
        except (FileNotFoundError, ValueError):  # not begun yet, or a trial just went away
            return None

    def refresh(self, now: bool = False) -> None:
        """Look at the folder, at most once a second, and show what has changed."""
        if not self.verbose or (time.monotonic() - self._looked < EVERY and not now):
            return
        self._looked = time.monotonic()
        found = self._read()
        if found is None:
            return
        if self._screen is not None:
            self._screen.update(self._table(found), refresh=True)
            return
        ended = [t for t in found.trials if t.status != "running" and t.id not in self._told]
        skipped = [trial for trial in ended if trial.status == "skipped"]
        for trial in ended:
            self._told.add(trial.id)
            if trial.status != "skipped" or len(skipped) == 1:
                print(f"trial {trial.id} {trial.status}: {_told(trial, found.objective)}")
        if len(skipped) > 1:
            first = skipped[0]
            print(f"{len(skipped)} candidates skipped, trial {first.id} since {first.reason}")
        sys.stdout.flush()

    def _table(self, found: SearchResult) -> Any:
        from rich.table import Table

        best = found.best
        table = Table(title=self._heading(found), title_justify="left", expand=True)
        table.add_column("trial", justify="right")
        table.add_column("choices", overflow="fold")
        table.add_column("epoch", justify="right")
        table.add_column(found.objective, justify="right")
        for trial in _shown(found.trials, best):
            style = {"failed": "red", "running": "cyan"}.get(trial.status, "")
            if best is not None and trial.id == best.id:
                style = "bold green"
            value = trial.metrics.get(found.objective)
            score = trial.status if value is None else f"{value:.4f}"
            table.add_row(trial.id, _choices(trial), str(trial.epochs), score, style=style)
        return table

    def _heading(self, found: SearchResult) -> str:
        trained = _trained(found)
        of = f" of {self.settings.max_trials}" if self.settings.max_trials else ""
        parts = [f"{trained}{of} trials", f"{found.count('skipped')} skipped"]
        if best := found.best:
            parts.append(f"best {best.metrics.get(found.objective, best.score):.4f}")
        done = trained - self._before
        if self.settings.max_trials and done:
            left = (self.settings.max_trials - trained) / done
            parts.append(f"about {_time(left * (time.monotonic() - self._started))} left")
        size = sum(p.stat().st_size for p in self.settings.run_dir.rglob("*") if p.is_file())
        return ", ".join([*parts, f"{human(size, 1024)}B on disk"])


def _trained(found: SearchResult) -> int:
    return found.count("completed") + found.count("failed")


def _shown(trials: Sequence[Trial], best: Trial | None) -> list[Trial]:
    latest = [trial for trial in trials if trial.status != "skipped"][-ROWS:]
    return latest if best is None or best in latest else [best, *latest[1:]]


def _choices(trial: Trial) -> str:
    return " ".join(f"{k}={_short(v)}" for k, v in trial.values.items() if k != results.EPOCHS)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _told(trial: Trial, objective: str) -> str:
    if trial.status in ("failed", "skipped"):
        return f"{trial.reason}; {_choices(trial)}"
    same = f" ({trial.reason})" if trial.reason else ""
    value = trial.metrics.get(objective, trial.score)
    return f"{objective} {value:.4f}{same}, {trial.epochs} epochs; {_choices(trial)}"


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(max(0, seconds)), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"
    )
