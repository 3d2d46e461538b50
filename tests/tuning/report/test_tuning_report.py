"""What explains a search: importance, advice, Pareto front, pictures and the HTML report."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from tuning.report import choices, forest, plots
from tuning.report import page as html
from tuning.report.comparisons import comparisons
from tuning.report.importance import advice, explain
from tuning.report.pareto import costs, pareto_front
from tuning.report.report import rebuild, write_report
from tuning.results import SearchResult, Trial
from zoo.plots.figure import LIGHT

SPACE = {
    "stem_stride": [1, 2],
    "pooling": ["avg", "max", "gem"],
    "dropout": [0.0, 0.2],
    "norm": ["batch", "group"],
}


def make(number, score, seed=0, space=SPACE, objective="val_accuracy", folder=Path("run")):
    """A search whose trials take random values and score what `score(values, random)` says."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(number):
        values = {k: v(rng) if callable(v) else v[rng.integers(len(v))] for k, v in space.items()}
        values = {k: v for k, v in values.items() if v is not None}
        reached = float(score(values, rng))
        metrics = {objective: reached, "macs": 1e6 * (1 + i % 7), "parameters": 1e5 * (1 + i % 5)}
        place = folder / f"trial_{i:02}"
        trials.append(Trial(f"{i:02}", "completed", "", values, reached, metrics, 3, 9.0, place))
    return SearchResult(folder, trials, objective, "min" if "loss" in objective else "max")


def known(values, rng):
    """stem_stride matters most, pooling less, dropout and norm not at all."""
    stride = 0.10 * (values["stem_stride"] == 1)
    pooling = 0.05 * (values["pooling"] == "gem")
    return 0.8 + stride + pooling + 0.005 * rng.normal()


def noise(values, rng):
    return 0.8 + 0.02 * rng.normal()


def with_status(result, status, reason="", **changes):
    """The same search, all its trials of another status."""
    changed = {"status": status, "reason": reason, "score": None, "metrics": {}, **changes}
    return replace(result, trials=[replace(trial, **changed) for trial in result.trials])


@pytest.fixture(scope="module")
def search():
    return make(40, known)


@pytest.fixture(scope="module")
def explained(search):
    return explain(search)


def test_importance_finds_what_matters_in_order(explained):
    names = [row.name for row in explained.importances]
    assert names[:2] == ["stem_stride", "pooling"]
    shares = {row.name: row.mean for row in explained.importances}
    # Variances of the parts: 0.05^2, 0.05^2 * 2/9 and the noise's.
    assert shares["stem_stride"] == pytest.approx(0.81, abs=0.15)
    assert shares["pooling"] == pytest.approx(0.18, abs=0.12)
    assert abs(shares["dropout"]) < 0.03
    assert abs(shares["norm"]) < 0.03
    assert explained.r2 > 0.8
    assert "trust the large" in explained.trust
    assert all(0 < row.error < 0.3 for row in explained.importances[:2])


def test_marginals_follow_the_scores(explained):
    stride = explained.marginals["stem_stride"]
    assert stride.grid == (1, 2)
    assert stride.means[0] - stride.means[1] == pytest.approx(0.1, abs=0.03)
    assert len(stride.points) == 40
    assert {value for value, score in stride.points if score > 0.92} == {1}


def test_numbers_on_a_log_scale_and_inactive_choices():
    def momentum(rng):
        return [None, 0.8, 0.95][rng.integers(3)]

    space = {"rate": lambda rng: float(10 ** rng.uniform(-4, -1)), "momentum": momentum}
    result = make(
        60,
        lambda v, rng: 0.9 - 0.1 * abs(math.log10(v["rate"]) + 2) - 0.1 * ("momentum" not in v),
        space=space,
    )
    found = explain(result)
    rate, other = found.marginals["rate"], found.marginals["momentum"]
    assert rate.is_range
    assert rate.is_log
    assert rate.grid[int(np.argmax(rate.means))] == pytest.approx(0.01, rel=1.0)
    assert other.labels == ("0.8", "0.95", "inactive")
    assert other.means[2] < min(other.means[:2]) - 0.03


def test_noise_is_called_noise():
    found = explain(make(30, noise))
    assert found.r2 < 0.2
    assert "do not rely" in found.trust
    assert all(row.mean < 0.3 for row in found.importances)
    figure = plots.importances(make(30, noise), found)
    assert "do not rely on it" in figure.texts[1].get_text()
    assert {bar.get_facecolor() for bar in figure.axes[0].patches} == {to_rgba(LIGHT)}


def test_claims_about_noise_are_rare():
    said = [advice(make(20, noise, seed=seed)) for seed in range(40)]
    wrong = [text for text in said if re.match("Choose|Avoid", text)]
    assert len(wrong) <= 6
    assert sum("no difference that 20 trials can show" in text for text in said) >= 34


def test_advice_names_the_right_value(search):
    said = advice(search)
    assert re.match(
        r"Choose stem_stride=1: ahead of 2 by (9|10)\.\d points of val_accuracy in all 2,000 "
        r"resamplings of 40 trials\. ",
        said,
    )
    assert "Choose pooling=gem: ahead of" in said
    assert "norm and dropout made no difference that 40 trials can show" in said


def test_advice_of_a_loss_wants_it_low():
    result = make(30, lambda v, rng: 1 - known(v, rng), objective="val_loss")
    assert re.match(r"Choose stem_stride=1: ahead of 2 by 0\.\d+ of val_loss ", advice(result))


def test_advice_avoids_what_is_worst_where_the_best_is_not_decided():
    space = {"pooling": ["avg", "gem", "max"]}
    result = make(
        40, lambda v, rng: 0.9 - 0.2 * (v["pooling"] == "max") + 0.02 * rng.normal(), space=space
    )
    said = advice(result)
    assert said.startswith("Avoid pooling=max: behind ")
    assert "it is not decided" in said


def test_advice_cuts_a_range():
    space = {"rate": lambda rng: float(10 ** rng.uniform(-4, -1))}
    result = make(40, lambda v, rng: -abs(math.log10(v["rate"]) + 4) / 10, space=space)
    assert re.match(r"Choose rate below 0\.00\d+: ahead of 0\.00\d+ to 0\.0\d+ by ", advice(result))
    labels = comparisons(result)[0].labels
    assert labels[0].startswith("below")
    assert labels[2].startswith("above")


def test_groups_are_cut_between_values_that_were_tried():
    choice = choices._choice(
        "dropout", (0.0, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.3, 0.4, 0.5)
    )
    labels, groups = choice.groups()
    assert labels == ["below 0.15", "0.15 to 0.25", "above 0.25"]
    assert groups == [0, 0, *[1] * 7, 2, 2, 2]


def test_a_value_gets_no_credit_for_the_company_it_kept():
    def score(values, rng):
        return 0.7 + 0.2 * (values["stem_stride"] == 1) + 0.01 * rng.normal()

    result = make(40, score)
    kept = [
        trial
        for i, trial in enumerate(result.trials)
        if (trial.values["stem_stride"] == 1) == (trial.values["norm"] == "batch") or i % 4 == 0
    ]
    scores = {n: [t.score for t in kept if t.values["norm"] == n] for n in SPACE["norm"]}
    assert np.mean(scores["batch"]) - np.mean(scores["group"]) > 0.1
    said = advice(replace(result, trials=kept))
    assert said.startswith("Choose stem_stride=1")
    assert "norm=" not in said


def test_a_duplicate_is_no_further_evidence(search):
    copies = [replace(t, id=f"9{t.id}", reason=f"duplicate of {t.id}") for t in search.trials] * 5
    doubled = replace(search, trials=[*search.trials, *copies])
    assert advice(doubled) == advice(search)
    assert explain(doubled).trials == 40


def test_an_exploded_loss_does_not_drown_the_rest(monkeypatch):
    monkeypatch.setattr(forest, "PARTS", 2)
    result = make(40, lambda v, rng: 1 - known(v, rng), objective="val_loss")
    trials = [replace(t, score=1e9) if t.id == "07" else t for t in result.trials]
    names = [row.name for row in explain(replace(result, trials=trials)).importances]
    assert names[0] == "stem_stride"


def test_what_hyperband_adds_is_not_a_choice(monkeypatch):
    monkeypatch.setattr(forest, "PARTS", 2)

    def epochs(rng):
        return [3, 27][rng.integers(2)]

    result = make(
        30, lambda v, rng: 0.5 + 0.01 * v["tuner/epochs"], space={**SPACE, "tuner/epochs": epochs}
    )
    assert "tuner/" not in advice(result)
    assert "tuner/epochs" not in explain(result).marginals


FEW = [
    (make(0, known), "No trial has started yet.", "there are 0"),
    (make(1, known), "Only trial 00 (stem_stride=2, ", "there is 1"),
    (make(2, known), "The best of 2 completed trials is 0", "there are 2"),
    (make(5, known), "so few cannot show which of its choices made it so", "forest predicts"),
    (make(9, lambda v, r: 0.5), "All 9 completed trials reached the same val_accuracy 0.5", "same"),
    (make(9, noise, space={"norm": ["batch"]}), "nothing to compare", "No choice varied"),
    (make(9, noise, space={}), "nothing to compare", "No choice varied"),
    (make(12, noise, space={"norm": ["batch", "group"]}), "norm made no difference", "forest"),
    (
        with_status(make(3, known), "failed", "out of memory"),
        "No trial was completed (3 failed), so there is nothing to choose from. "
        "The most common reason: out of memory.",
        "there are 0",
    ),
    (with_status(make(2, known), "running"), "(2 not finished)", "there are 0"),
    (with_status(make(6, known), "completed", score=math.nan), "No trial was completed", "are 0"),
]


@pytest.mark.parametrize(("result", "said", "trust"), FEW)
@pytest.mark.filterwarnings("error")
def test_few_trials_get_a_clear_answer(result, said, trust, tmp_path, monkeypatch):
    monkeypatch.setattr(forest, "PARTS", 2)
    assert said in advice(result)
    found = explain(result)
    assert trust in found.trust
    for draw in (plots.importances, plots.marginals, plots.parallel):
        assert draw(result, found).axes
    for draw in (plots.scores, plots.learning_curves, plots.pareto):
        assert draw(result).axes
    assert said.split("(")[0] in write_report(result, tmp_path).read_text("utf-8")


def priced(*points, direction="max"):
    trials = [
        Trial(f"{i}", "completed", "", {}, score, {"macs": macs}, 1, 1.0, Path("t"))
        for i, (score, macs) in enumerate(points)
    ]
    return SearchResult(Path("run"), trials, "objective", direction)


@pytest.mark.parametrize("costs", [(103_466, 103_467), (1e6, 1.004e6), (1e6, 3e6), (1e5, 1e8)])
def test_ticks_of_a_cost_are_told_apart(costs):
    (axes,) = plots.pareto(priced(*((0.1 * i, cost) for i, cost in enumerate(costs)))).axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert len(set(ticks)) == len(ticks) >= 2
    assert ticks[0] != "103,466" or ticks == ["103,466", "103,467"]


def test_a_cost_that_hardly_differs_has_no_picture():
    assert "pareto-macs" not in plots.figures(priced((0.5, 103_466), (0.6, 103_467)))
    assert "pareto-macs" in plots.figures(priced((0.5, 100), (0.6, 102)))


def test_trials_stand_at_their_numbers():
    (axes,) = plots.scores(priced((0.5, 1), (0.7, 1), (0.6, 1))).axes
    assert axes.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert axes.get_xlim() == (-0.5, 2.5)


def test_one_epoch_is_one_tick(tmp_path):
    (tmp_path / "execution-0").mkdir()
    (tmp_path / "execution-0" / "curves.csv").write_text("epoch,val_loss\n0,2.0\n")
    trial = Trial("0", "completed", "", {}, 2.0, {}, 1, 9.0, tmp_path)
    (axes,) = plots.learning_curves(SearchResult(tmp_path, [trial], "val_loss", "min")).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1"]


def test_pareto_front_is_exact():
    result = priced((0.9, 8), (0.8, 9), (0.7, 2), (0.7, 3), (0.6, 2), (0.85, 5), (0.9, 8), (0.1, 1))
    assert [trial.id for trial in pareto_front(result)] == ["7", "2", "5", "0"]
    low = priced((0.9, 1), (0.5, 2), (0.6, 3), (0.4, 4), (0.4, 5), direction="min")
    assert [trial.id for trial in pareto_front(low)] == ["0", "1", "3"]
    assert pareto_front(result, "latency") == []
    assert costs(result) == ["macs"]


def test_pareto_front_takes_only_completed_trials(search):
    failed = with_status(search, "failed", metrics={"macs": 1.0})
    assert pareto_front(failed) == []


@pytest.mark.parametrize(
    ("costs", "some"),
    [
        ([272_474, 272_600], "272,500"),
        ([200_000, 1_500_000], "500 k"),
        ([1e5, 3e6], "2 M"),
        ([1e4, 1e9], "100 M"),
    ],
)
def test_ticks_of_costs_are_short_and_no_two_alike(costs, some):
    figure = plots.pareto(priced(*((0.5 + i / 10, cost) for i, cost in enumerate(costs))))
    (axes,) = figure.axes
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert some in texts
    assert len(set(texts)) == len(texts) <= 8
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_scores_show_the_best_so_far_and_every_status(search):
    ends = [("failed", "killed"), ("skipped", "macs 9 M > 5 M"), ("running", "")]
    others = [
        replace(search.trials[0], id=f"x{i}", status=s, reason=why, score=None)
        for i, (s, why) in enumerate(ends)
    ]
    copy = replace(search.trials[1], id="y", reason="duplicate of 01")
    figure = plots.scores(replace(search, trials=[*search.trials[:10], *others, copy]))
    best = figure.axes[0].lines[1].get_ydata()
    expected = np.maximum.accumulate([trial.score for trial in search.trials[:10]])
    assert list(best) == [*expected, expected[-1]]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["trial", "best so far", "duplicate", "failed", "skipped", "running"]
    assert "1 failed  ·  1 skipped  ·  1 running" in figure.texts[1].get_text()


def write_curves(trial, rows):
    folder = trial.folder / "execution-0"
    folder.mkdir(parents=True)
    lines = [f"{epoch},{value}" for epoch, value in enumerate(rows)]
    (folder / "curves.csv").write_text("\n".join(["epoch,val_accuracy", *lines]) + "\n")


def test_learning_curves_of_all_trials(tmp_path):
    result = make(4, known, folder=tmp_path)
    result = replace(result, trials=[*result.trials[:3], *with_status(result, "failed").trials[3:]])
    best = max(result.trials[:3], key=lambda trial: trial.score)
    for trial in result.trials:
        write_curves(trial, [0.1, 0.2, 0.3 + 0.1 * (trial is best)])
    (result.trials[0].folder / "execution-1").mkdir()
    (result.trials[0].folder / "execution-1" / "curves.csv").write_text("broken")
    axes = plots.learning_curves(result).axes[0]
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thick] == [[0.1, 0.2, 0.4]]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in crosses] == [(3, 0.3)]
    assert len(axes.lines) == 5
    assert "1 file could not be read" in plots.learning_curves(result).texts[1].get_text()


def test_parallel_lines_go_through_their_own_values(search, explained):
    axes = plots.parallel(search, explained).axes[0]
    names = [text.get_text().replace("\n", "") for text in axes.get_xticklabels()]
    assert names[-2:] == ["stem_stride", "val_accuracy"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == len(names)]
    assert len(lines) == 40
    order = sorted(search.trials, key=lambda trial: trial.score)
    for line, trial in zip(lines, order, strict=True):
        assert (line.get_ydata()[-2] > 0.5) == (trial.values["stem_stride"] == 2)
    assert lines[-1].get_linewidth() > lines[0].get_linewidth()
    assert lines[-1].get_ydata()[-1] == 1.0


def test_a_panel_for_each_of_many_choices(monkeypatch):
    monkeypatch.setattr(forest, "PARTS", 2)
    space = {f"a_choice_with_a_long_name_{i}": [0, 1, 2] for i in range(12)}
    result = make(40, noise, space=space)
    found = explain(result)
    figure = plots.marginals(result, found)
    assert len(figure.axes) == 12
    width = figure.get_figwidth()
    assert width < 10
    assert len(plots.importances(result, found).axes[0].patches) == 12


class Page(HTMLParser):
    """Collects what a page refers to, and that its tags are balanced."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, file):
        super().__init__()
        self.open, self.references, self.text, self.rows = [], [], [], []
        self.feed(file.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        names = ("src", "href", "srcset", "action", "data", "poster")
        self.references += [value for name, value in attrs if name in names]
        if tag == "tr":
            self.rows.append([dict(attrs).get("class")])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)
            if self.open[-1] == "td":
                self.rows[-1].append(data)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A search with a trial of each kind, in a folder with spaces and umlauts."""
    folder = tmp_path_factory.mktemp("Suche <b>über Größen")
    result = make(12, known, folder=folder)
    write_curves(result.trials[0], [0.1, 0.5])
    ends = [
        ("failed", "RuntimeError: <b>bad</b> & worse"),
        ("failed", "RuntimeError: <b>bad</b> & worse"),
        ("skipped", "macs 92 M > 50 M"),
        ("running", ""),
    ]
    others = [
        replace(result.trials[i], id=f"2{i}", status=s, reason=why, score=None, metrics={})
        for i, (s, why) in enumerate(ends)
    ]
    copy = replace(result.trials[3], id="30", reason="duplicate of 03")
    odd = replace(others[0], id="31", values={"<script>alert(1)</script>": '"><img src=x>'})
    return replace(result, trials=[*result.trials, *others, copy, odd])


@pytest.fixture(scope="module")
def page(full):
    best = choices.best_trial(full)
    told = {"trial": best.id, "builder": "resnet20", "options": {"input_shape": [28, 28, 1]}}
    (full.run_dir / "best.json").write_text(json.dumps(told))
    file = write_report(full, full.run_dir / "der Bericht.html")
    assert file.name == "der Bericht.html"
    return Page(file)


def test_report_needs_no_other_file(page, full):
    assert len(page.references) >= 6
    assert all(ref.startswith("data:image/svg+xml;base64,") for ref in page.references)
    text = (full.run_dir / "der Bericht.html").read_text("utf-8")
    assert not re.search(r"url\(|@import|https?://|<link|fetch\(", text)
    for reference in page.references:
        picture = base64.b64decode(reference.split(",")[1]).decode()
        assert picture.startswith("<?xml")
        assert not re.search(r'href="(?!#)', picture)
    leftover = [p.name for p in full.run_dir.iterdir() if p.name.startswith(".")]
    assert leftover == []


def test_report_begins_with_the_advice_and_the_best(page, full):
    text = "\n".join(page.text)
    best = choices.best_trial(full)
    places = [
        text.index(part) for part in (advice(full), f"The best trial: {best.id}", "All trials")
    ]
    assert places == sorted(places)
    assert 'zoo.create("resnet20", input_shape=(28, 28, 1))' in text
    assert "18 trials · 13 completed · 3 failed · 1 skipped · 1 running" in text
    assert "1 duplicate" in text


def test_report_lists_every_trial_with_its_reason(page, full):
    rows = {row[1]: row for row in page.rows if len(row) > 1}
    for trial in full.trials:
        assert trial.status in rows[trial.id]
        assert not trial.reason or trial.reason in rows[trial.id]
    assert rows["20"][0] == "failed"
    assert rows[choices.best_trial(full).id][0] == "best"
    assert ["3", "failed", "RuntimeError: <b>bad</b> & worse"] in [row[1:] for row in page.rows]
    assert ["1", "skipped", "macs 92 M > 50 M"] in [row[1:] for row in page.rows]


def test_report_escapes_what_it_shows(full, page):
    text = (full.run_dir / "der Bericht.html").read_text("utf-8")
    assert "<b>" not in text
    assert "<img src=x" not in text
    assert text.count("<script>") == 1
    assert "<script>alert(1)</script>" in page.text


def test_report_leaves_a_stale_best_json_alone(tmp_path):
    result = make(3, known, folder=tmp_path)
    for content in ('{"trial": "77", "builder": "resnet20"}', "{", "[1]"):
        (tmp_path / "best.json").write_text(content)
        file = write_report(result, tmp_path / "new folder")
        assert file == tmp_path / "new folder" / "report.html"
        assert "zoo.create" not in file.read_text("utf-8")
    (tmp_path / "thesis.html").write_text("<html>kept</html>")
    with pytest.raises(FileExistsError, match=r"thesis\.html exists and was not written by this"):
        write_report(result, tmp_path / "thesis.html")
    assert (tmp_path / "thesis.html").read_text() == "<html>kept</html>"


def test_rebuild_runs():
    told = {
        "builder": "lenet5",
        "options": {"num_classes": 3, "input_shape": [32, 32, 1]},
        "recipe": {"mixup": 0.2},
    }
    scope = {}
    exec(rebuild(told), scope)
    assert scope["model"].output_shape == (None, 3)
    many = {**told, "options": {**told["options"], "pooling": "max", "dropout": 0.25, "name": "n"}}
    assert max(map(len, rebuild(many).splitlines())) < 80
    exec(rebuild(many), scope)
    assert scope["model"].name == "n"
    pretrained = rebuild({**told, "weights": "imagenet"})
    assert 'applications.load("lenet5", num_classes=3, ' in pretrained
    assert 'weights="imagenet")' in pretrained


def test_a_large_picture_becomes_pixels(search, monkeypatch):
    monkeypatch.setattr(html, "LARGE", 1000)
    assert 'src="data:image/png;base64,' in html.picture(plots.scores(search))


def test_import_is_light():
    code = (
        "import sys\n"
        "import tuning.report.importance, tuning.report.plots, tuning.report.report\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
