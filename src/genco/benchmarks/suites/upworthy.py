"""Real randomised tests of headlines: does the reward model order packages of tests it never saw better than peers?

Three rotating folds: 30% of the tests, by a stable hash of their id, are held out and everything is learned from the
others: the reward model on MiniLM embeddings of the headlines, and its peers on the same embeddings: ridge, a
factorisation machine, an MLP and VowpalWabbit. Judged on pairs of packages (merged by headline and image) of a held-out
test whose headlines differ and whose click rates differ with pooled |z| of 1.96 or more.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.benchmarks.bench_plots import Bar, bars
from genco.benchmarks.markdown import markdown_table
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.paired_bootstrap import paired_bootstrap
from genco.benchmarks.ridge import Packages
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.upworthy_peers import PEERS, linear_scores, neural_scores, rows_in
from genco.benchmarks.worlds import train_world
from genco.data.catalogue import Catalogue
from genco.data.features import TextEncoder
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
OURS = "genco"
HEADER = (
    "fold",
    "pairs",
    "tests",
    "peer",
    "genco",
    "peer's",
    "genco - peer",
    "standard error",
    "95% interval",
    "setting",
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
    """Order the significant pairs of `folder`/test by the reward model and its peers, learned from `folder`/train."""
    train, test = (open_dataset(Path(folder) / name) for name in ("train", "test"))
    optimizer = load(run).on(test.catalogue, test.meta)
    rows = [batch for batch in test.batches()]
    product, combination = (
        np.concatenate([getattr(batch, name) for batch in rows]) for name in ("product", "combination")
    )
    context = np.zeros((len(product), len(optimizer.context())), dtype=np.float32)
    uplift, _ = predict(optimizer, product, combination, context)
    encoder = text_encoder(text, Path(run).parent / ".genco-text-cache")
    assert encoder is not None
    learned, judged = (packages(dataset, encoder) for dataset in (train, test))
    validation = kept_out_mask(train.catalogue, kept_out)
    scores = linear_scores(learned, validation[learned.group], judged)
    every = open_dataset(Path(folder) / "all")
    known = np.isin(
        every.catalogue.products["product_id"].to_numpy(), train.catalogue.products["product_id"].to_numpy()
    )
    test_ids = test.catalogue.products["product_id"].to_list()
    asked = (
        np.array([every.catalogue.product_row(name) for name in test_ids], dtype=np.int32)[product],
        rows_in(every.catalogue, test.catalogue, combination),
    )
    scores |= neural_scores(every, encoder, known, known & kept_out_mask(every.catalogue, kept_out), asked)
    pairs = significant_pairs(judged.trials, judged.reward, judged.group, combination[:, 0])
    right = {name: ordered_right(score, pairs) for name, (score, _) in scores.items()}
    right["genco"] = ordered_right(uplift, pairs)
    progress("evaluate", {"request": len(pairs), "of": len(pairs)})
    return [
        {
            "test": test_ids[product[better]],
            "better": float(judged.reward[better] / judged.trials[better]),
            "worse": float(judged.reward[worse] / judged.trials[worse]),
            **{name: float(values[i]) for name, values in right.items()},
            **{f"{name}_setting": setting for name, (_, setting) in scores.items()},
        }
        for i, (better, worse) in enumerate(pairs)
    ]


def kept_out_mask(catalogue: Catalogue, share: float) -> NDArray[np.bool_]:
    """Tests on which settings of peers are chosen [product], by a stable hash of the id."""
    return product_mask([f"validation {name}" for name in catalogue.products["product_id"]], share)


def packages(dataset: Dataset, encoder: TextEncoder) -> Packages:
    """Every package with the embedding of its headline; groups are the tests."""
    batches = list(dataset.batches())
    headline = np.concatenate([batch.combination[:, 0] for batch in batches])
    return Packages(
        encoder.encode(dataset.catalogue.elements["text"].gather(headline).to_list()).astype(np.float64),
        np.concatenate([batch.num_impressions for batch in batches]).astype(np.float64),
        np.concatenate([batch.reward for batch in batches]).astype(np.float64),
        np.concatenate([batch.product for batch in batches]).astype(np.int64),
    )


def table(rows: pl.DataFrame, config: Config) -> str:
    """One line a fold and peer, and all folds together (their tests are disjoint)."""
    lines = []
    parts = [(str(fold + 1), rows.filter(pl.col("fold") == fold)) for fold in sorted(set(rows["fold"].to_list()))]
    for name, own in [*parts, ("all", rows)]:
        genco = own["genco"].to_numpy()
        for peer in PEERS:
            right = own[peer].to_numpy()
            found = paired_bootstrap(genco, right, _numbers(own["test"]), config["draws"])
            lines.append(
                [
                    name,
                    f"{own.height:,}",
                    f"{own['test'].n_unique():,}",
                    peer,
                    f"{genco.mean():.4f}",
                    f"{right.mean():.4f}",
                    f"{found.difference:+.4f}",
                    f"{found.error:.4f}",
                    f"{found.low:+.4f} to {found.high:+.4f}",
                    "; ".join(sorted(set(own[f"{peer}_setting"].to_list()))),
                ]
            )
    said = (
        "Share of pairs of packages ordered right, in tests never seen: headlines differ, pooled |z| of 1.96 or more. "
        f"Differences are paired, their errors by a bootstrap of {config['draws']:,} draws over tests."
    )
    return f"# Upworthy\n\n{said}\n\n{markdown_table(HEADER, lines)}"


def plot(rows: pl.DataFrame, config: Config) -> str:
    """Share ordered right, all folds; whiskers: standard error over tests."""
    found = []
    for name in (OURS, *PEERS):
        half = np.full(rows.height, 0.5)
        right = paired_bootstrap(rows[name].to_numpy(), half, _numbers(rows["test"]), config["draws"])
        found.append(Bar(name, 0.5 + right.difference, right.error, name == OURS))
    return bars([("pairs ordered right", sorted(found, key=lambda bar: -bar.value))], "0.5 = a coin")


def _numbers(ids: pl.Series) -> Any:
    return ids.rank("dense").to_numpy()


SUITE = Suite("upworthy", ("fold",), configuration, units, measure, table, plot)
