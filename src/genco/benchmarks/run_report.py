"""The report of a run: one HTML file that needs no network, with inline styles, drawings and pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genco.drawings import words
from genco.drawings.cards import card
from genco.drawings.heat_map import heat_map_drawing
from genco.drawings.pictures import Pictures
from genco.drawings.plots import calibration_plot, interval_bar, line_chart
from genco.errors import ConfigError
from genco.evaluation.element_labels import LABEL_RULES
from genco.evaluation.interactions import PairEffect
from genco.evaluation.report_data import ReportConfig, ReportData, report_data
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.storage.dataset import Dataset

Progress = Callable[[str, dict[str, float]], None]
CURVES = (
    ("reward_model", "round", "log_likelihood", "Reward model: log-likelihood of the training rows", "log-likelihood"),
    ("generator", "step", "reward", "Generator: mean score of its samples", "score"),
    ("generator", "step", "entropy", "Generator: entropy, how widely it still explores", "entropy (nats)"),
)


def write_report(
    optimizer: Optimizer,
    dataset: Dataset,
    truth: Truth | None,
    out: Path,
    progress: Progress | None = None,
    config: ReportConfig | None = None,
) -> Path:
    """Measure a run on `dataset` and write the page `out`; returns `out`. Half a minute at most for the demo.

    Raises `ConfigError` where `out` is a folder. The file appears whole or not at all.
    """
    out = Path(out)
    if out.is_dir():
        raise ConfigError(f"Parameter `out` should be a file to write. Found the folder {str(out)!r}.")
    data = report_data(optimizer, dataset, truth, config, progress=progress)
    finished = datetime.fromtimestamp((optimizer.run.path / "run.toml").stat().st_mtime, UTC)
    page = report_page(data, Pictures(dataset.path), written=datetime.now(UTC), finished=finished)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.part")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, out)
    return out


def report_page(data: ReportData, pictures: Pictures, written: datetime, finished: datetime) -> str:
    """The page as text. written: now · finished: when the run ended."""
    environment = Environment(
        loader=PackageLoader("genco.benchmarks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name)
        for name in ("clean", "rate", "signed", "number", "whole", "change", "seconds", "fixed")
    }
    rewards, rate_name, probability_name = words.REWARD_WORDS[data.log.reward_column]
    return environment.get_template("report.html.j2").render(
        data=data,
        rewards=rewards,
        rate_name=rate_name,
        probability_name=probability_name,
        written=f"{written:%Y-%m-%d %H:%M} UTC",
        finished=f"{finished:%Y-%m-%d %H:%M} UTC",
        products=[
            (product, [card(rank, shown, pictures) for rank, shown in enumerate(product.combinations, 1)])
            for product in data.products
        ],
        elements=_elements(data, pictures),
        label_rules=LABEL_RULES,
        pairs=[(title, [_pair(pair, pictures) for pair in pairs]) for title, pairs in _pairs(data)],
        heat_map=None if data.heat_map is None else heat_map_drawing(data.heat_map, pictures),
        curves=_curves(data),
        calibration=calibration_plot(data.calibration) if data.calibration else None,
        ranking=_ranking(data),
        values=[(*words.VALUE_WORDS[row.key], row) for row in data.headline.values],
    )


def _elements(data: ReportData, pictures: Pictures) -> dict[str, Any]:
    """Rows with their drawings, and totals that add up: every impression counts once in every slot."""
    table = data.elements
    reach = max((abs(end) for row in table.rows for end in (row.ci_low, row.ci_high)), default=1.0)
    totals = table.totals
    return {
        "rows": [
            (
                row,
                words.element_name(row.element),
                pictures.thumbnail(row.element),
                interval_bar(row.contribution, row.ci_low, row.ci_high, reach),
            )
            for row in table.rows
        ],
        "shown": [sum(total.shown[i] for total in totals) for i in (0, 1)],
        "rest": [sum(total.rest[i] for total in totals) for i in (0, 1)],
        "empty": [sum(total.empty[i] for total in totals) for i in (0, 1)],
        "any_shared": any(row.product_id is None for row in table.rows),
        "num_rest": sum(total.num_rest for total in totals),
    }


def _pairs(data: ReportData) -> tuple[tuple[str, tuple[PairEffect, ...]], ...]:
    return (("Help each other", data.helping), ("Clash", data.clashing))


def _pair(pair: PairEffect, pictures: Pictures) -> dict[str, Any]:
    return {
        "sentence": words.pair_sentence(pair),
        "certainty": words.certainty(pair),
        "odds": f"{math.exp(pair.effect):.2f}",
        "pair": pair,
        "thumbnails": [uri for uri in map(pictures.thumbnail, (pair.first, pair.second)) if uri],
    }


def _curves(data: ReportData) -> list[tuple[str, Markup]]:
    """Every curve that the run kept: title and drawing."""
    found = []
    for stage, x, y, title, y_name in CURVES:
        points = [point for point in data.curves.get(stage, []) if x in point and y in point]
        if points:
            chart = line_chart([point[x] for point in points], [point[y] for point in points], x, y_name)
            found.append((title, chart))
    return found


def _ranking(data: ReportData) -> list[tuple[str, str, str]]:
    """Name, figure and meaning of every measure; where there is none, the reason why."""
    found = []
    for key, (name, meaning) in words.RANKING_WORDS.items():
        value = data.measures.get(key)
        if value is not None:
            found.append((name, words.number(float(value)), meaning))
        elif data.measures.get(f"{key}_reason"):
            found.append((name, "–", f"not known: {data.measures[f'{key}_reason']}"))
    return found
