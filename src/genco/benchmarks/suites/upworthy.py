"""Real randomised tests of headlines: does the reward model order packages of tests it never saw better than ridge?

Three rotating folds: 30% of the tests, by a stable hash of their id, are held out and everything is learned from the
others: the reward model on MiniLM embeddings of the headlines, and ridge on the same embeddings. Judged on pairs of
packages (merged by headline and image) of a held-out test whose headlines differ and whose click rates differ with
pooled |z| of 1.96 or more.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genco.benchmarks.markdown import markdown_table
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.paired_bootstrap import paired_bootstrap
from genco.benchmarks.ridge import Packages, chosen_penalty, fit_ridge
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import train_world
from genco.data.splits import product_mask
from genco.errors import ConfigError
from genco.evaluation.logged import predict
from genco.evaluation.ranking import ordered_right, significant_pairs
from genco.policies.optimizer import load
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.importers.upworthy import import_upworthy
from genco.storage.text import text_encoder
from genco.storage.writer import DatasetWriter

MAX_FOLDS = 3
HEADER = (
    "fold",
    "pairs",
    "tests",
    "genco",
    "ridge",
    "genco - ridge",
    "standard error",
    "95% interval",
    "ridge penalty",
)


def configuration(options: Options) -> dict[str, Any]:
    """Three folds, `quick`: one. Stage 1 is not trained: ranking is the reward model's."""
    if options.table is None:
        raise ConfigError("The suite `upworthy` needs `--table`: the archive's file of packages, CSV or Parquet.")
    return {
        "table": str(options.table.resolve()),
        "held_out": 0.3,
        "kept_out": 0.25,
        "text": "minilm",
        "training": {"training": {"steps": 0}},
        "draws": 2_000,
        "seeds": 1 if options.quick else MAX_FOLDS,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Folds; their held-out tests are disjoint."""
    num = num_seeds or config["seeds"]
    if not 1 <= num <= MAX_FOLDS:
        raise ConfigError(f"Parameter `seeds` of the suite `upworthy` should be 1 to {MAX_FOLDS}. Found {num}.")
    return [{"fold": fold} for fold in range(num)]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """A row per pair: which method ordered it right (0.5 = a tie). Embeddings are kept beside the scratch folder."""
    import_upworthy(Path(config["table"]), scratch / "all")
    divide(open_dataset(scratch / "all"), unit["fold"], config["held_out"], scratch)
    run = scratch.parent / "run"
    shutil.rmtree(run, ignore_errors=True)
    try:
        training = {**config["training"], "text": config["text"]}
        call_apart(train_world, {"data": str(scratch / "train"), "out": str(run), "config": training}, progress)
        asked = {"run": str(run), "folder": str(scratch), "text": config["text"], "kept_out": config["kept_out"]}
        rows: list[Row] = call_apart(judge, asked, progress)
        return rows
    finally:
        shutil.rmtree(run, ignore_errors=True)


def divide(dataset: Dataset, fold: int, held_out: float, out: Path) -> None:
    """Write `out`/train and `out`/test: the fold's tests, by a stable hash, are in `test` alone."""
    products, elements = dataset.catalogue.products, dataset.catalogue.elements
    ids = products["product_id"].to_list()
    inside = product_mask(ids, (fold + 1) * held_out) & ~product_mask(ids, fold * held_out)
    logged = pl.concat([pl.read_parquet(file.path) for file in dataset.files])
    for name, mask in (("train", ~inside), ("test", inside)):
        mine = pl.col("product_id").is_in(products["product_id"].filter(pl.Series(mask)).implode())
        with DatasetWriter(out / name, dataset.meta) as writer:
            writer.write_products(products.filter(mine))
            writer.write_elements(elements.filter(mine))
            writer.append_impressions(logged.filter(mine))


def judge(run: str, folder: str, text: str, kept_out: float, progress: Progress) -> list[Row]:
    """Order the significant pairs of `folder`/test by the reward model and by ridge, learned from `folder`/train."""
    train, test = (open_dataset(Path(folder) / name) for name in ("train", "test"))
    optimizer = load(run).on(test.catalogue, test.meta)
    rows = [batch for batch in test.batches()]
    product, combination = (
        np.concatenate([getattr(batch, name) for batch in rows]) for name in ("product", "combination")
    )
    context = np.zeros((len(product), len(optimizer.context())), dtype=np.float32)
    uplift, _ = predict(optimizer, product, combination, context)
    learned, judged = (packages(dataset, text, Path(run).parent) for dataset in (train, test))
    train_ids = train.catalogue.products["product_id"].to_list()
    validation = product_mask([f"validation {name}" for name in train_ids], kept_out)[learned.group]
    penalty = chosen_penalty(learned.take(~validation), learned.take(validation))
    score = judged.features @ fit_ridge(learned, penalty)
    pairs = significant_pairs(judged.trials, judged.reward, judged.group, combination[:, 0])
    test_ids = test.catalogue.products["product_id"].to_list()
    right = {"genco": ordered_right(uplift, pairs), "ridge": ordered_right(score, pairs)}
    progress("evaluate", {"request": len(pairs), "of": len(pairs)})
    return [
        {
            "test": test_ids[product[better]],
            "better": float(judged.reward[better] / judged.trials[better]),
            "worse": float(judged.reward[worse] / judged.trials[worse]),
            **{name: float(values[i]) for name, values in right.items()},
            "ridge_penalty": penalty,
        }
        for i, (better, worse) in enumerate(pairs)
    ]


def packages(dataset: Dataset, text: str, cache_parent: Path) -> Packages:
    """Every package with the embedding of its headline; groups are the tests."""
    encoder = text_encoder(text, cache_parent / ".genco-text-cache")
    assert encoder is not None
    batches = list(dataset.batches())
    headline = np.concatenate([batch.combination[:, 0] for batch in batches])
    return Packages(
        encoder.encode(dataset.catalogue.elements["text"].gather(headline).to_list()).astype(np.float64),
        np.concatenate([batch.num_impressions for batch in batches]).astype(np.float64),
        np.concatenate([batch.reward for batch in batches]).astype(np.float64),
        np.concatenate([batch.product for batch in batches]).astype(np.int64),
    )


def table(rows: pl.DataFrame, config: Config) -> str:
    """One line a fold, and all folds together (their tests are disjoint)."""
    lines = []
    parts = [(str(fold + 1), rows.filter(pl.col("fold") == fold)) for fold in sorted(set(rows["fold"].to_list()))]
    for name, own in [*parts, ("all", rows)]:
        genco, ridge = own["genco"].to_numpy(), own["ridge"].to_numpy()
        found = paired_bootstrap(genco, ridge, _numbers(own["test"]), config["draws"])
        lines.append(
            [
                name,
                f"{own.height:,}",
                f"{own['test'].n_unique():,}",
                f"{genco.mean():.4f}",
                f"{ridge.mean():.4f}",
                f"{found.difference:+.4f}",
                f"{found.error:.4f}",
                f"{found.low:+.4f} to {found.high:+.4f}",
                ", ".join(f"{penalty:g}" for penalty in sorted(set(own["ridge_penalty"].to_list()))),
            ]
        )
    said = (
        "Share of pairs of packages ordered right, in tests never seen: headlines differ, pooled |z| of 1.96 or more. "
        f"Differences are paired, their errors by a bootstrap of {config['draws']:,} draws over tests."
    )
    return f"# Upworthy\n\n{said}\n\n{markdown_table(HEADER, lines)}"


def _numbers(ids: pl.Series) -> Any:
    return ids.rank("dense").to_numpy()


SUITE = Suite("upworthy", ("fold",), configuration, units, measure, table)
