"""Policies on one simulated world, judged by its truth on the same requests: steps for processes of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.peers.offline import peer_data, peer_named
from genco.benchmarks.suite import Progress, Row
from genco.benchmarks.worlds import simulate_world, train_world
from genco.data.hashed_text import HashedText
from genco.errors import DataError, RuleError
from genco.policies.optimizer import load
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace, RuleBook, legal_space
from genco.simulator.reference import reference
from genco.simulator.truth import truth_of
from genco.simulator.world import World
from genco.storage.dataset import Dataset, open_dataset

REQUESTS_FILE = "requests.json"
NUM_PROPOSALS = 16
Positions = NDArray[np.int32]
# (product row, value of the context column, legal space) -> positions [slot]
Choose = Callable[[int, str, LegalSpace], Positions]


def prepare_world(
    scenario: str,
    impressions: int,
    seed: int,
    requests: int,
    out: str,
    progress: Progress,
    products: int | None = None,
    candidates: list[int] | None = None,
) -> int:
    """Simulate into `out`, and write beside the log the requests with what random play and the oracle are worth.

    Requests are uniform over products and contexts; over the products that the log leaves out, where it does.
    """
    simulate_world(scenario, impressions, seed, out, progress, products, candidates)
    dataset = open_dataset(out)
    truth = _world_of(dataset)
    judged = np.flatnonzero(truth.never_logged_products)
    if not len(judged):
        judged = np.arange(dataset.catalogue.num_products)
    rng, book = stream(seed, "evaluation requests"), RuleBook(dataset.catalogue)
    found: list[Row] = []
    while len(found) < requests:
        product, context = int(rng.choice(judged)), int(rng.integers(len(truth.context_values)))
        try:
            space = legal_space(dataset.catalogue, product, book=book)
        except RuleError:
            continue
        scale = reference(truth, product, context, space.candidates, _legal_rows(space))
        found.append({"product": product, "context": context, "uniform": scale.uniform, "oracle": scale.oracle})
        progress("evaluate", {"request": len(found), "of": requests})
    (Path(out) / REQUESTS_FILE).write_text(json.dumps(found), encoding="utf-8")
    return len(found)


def measure_peer(data: str, peer: str, seed: int, progress: Progress) -> list[Row]:
    """Read the log, fit the peer and judge it: a row per request."""
    dataset, fit = open_dataset(data), peer_named(peer)
    wall, cpu = time.perf_counter(), time.process_time()
    known = peer_data(dataset, HashedText(), seed)
    fitted = fit(known, seed)
    took = {"train_seconds": time.perf_counter() - wall, "train_cpu_seconds": time.process_time() - cpu}
    name = _world_of(dataset).context_name

    def choose(product: int, value: str, space: LegalSpace) -> Positions:
        context = known.encoders.context.transform_some({name: value} if name else {})
        return fitted.choose(product, context, space)

    return [{**row, **took} for row in judge(dataset, data, choose, progress)]


def measure_run(data: str, run: str, config: dict[str, Any], progress: Progress) -> list[Row]:
    """Train a run into the folder `run` and judge it by the combination its whole method ranks first: a row per
    request."""
    wall, cpu = time.perf_counter(), time.process_time()
    train_world(data, run, config, progress)
    took = {"train_seconds": time.perf_counter() - wall, "train_cpu_seconds": time.process_time() - cpu}
    dataset = open_dataset(data)
    optimizer = load(run).on(dataset.catalogue, dataset.meta)
    policy, name = optimizer.policy, _world_of(dataset).context_name

    def choose(product: int, value: str, space: LegalSpace) -> Positions:
        context = optimizer.context({name: value} if name else {})
        request = policy.request(product, context)
        return policy.best(request, NUM_PROPOSALS, policy.rng("bench", product, value))[0]

    return [{**row, **took} for row in judge(dataset, data, choose, progress)]


def judge(dataset: Dataset, folder: str, choose: Choose, progress: Progress) -> list[Row]:
    """True click probability of what `choose` shows for each prepared request, and its processor time in milliseconds.

    Raises `DataError` for an illegal combination.
    """
    truth, book = _world_of(dataset), RuleBook(dataset.catalogue)
    requests = json.loads((Path(folder) / REQUESTS_FILE).read_text(encoding="utf-8"))
    rows: list[Row] = []
    for number, request in enumerate(requests):
        product, context = request["product"], request["context"]
        space = legal_space(dataset.catalogue, product, book=book)
        started = time.process_time()
        chosen = choose(product, truth.context_values[context], space)
        took = 1e3 * (time.process_time() - started)
        if not space.is_legal(chosen[None])[0]:
            raise DataError(f"A policy must choose a legal combination. Found positions {chosen.tolist()}.")
        shown = np.array([[rows_of[i] for rows_of, i in zip(space.candidates, chosen, strict=True)]], dtype=np.int32)
        chance = truth.click_probability(np.array([product], np.int32), np.array([context], np.int32), shown)
        rows.append(
            {
                "request": number,
                "click_probability": float(chance[0]),
                "uniform": request["uniform"],
                "oracle": request["oracle"],
                "milliseconds": took,
            }
        )
        progress("evaluate", {"request": number + 1, "of": len(requests)})
    return rows


def _world_of(dataset: Dataset) -> World:
    truth = truth_of(dataset)
    if not isinstance(truth, World):
        raise DataError("A simulated world is needed. Found a dataset without one.")
    return truth


def _legal_rows(space: LegalSpace) -> Callable[[Positions], NDArray[np.bool_]] | None:
    """Which combinations of element rows [batch, slot] are legal; None where all are."""
    if not space.is_constrained:
        return None
    size = max(int(rows.max()) for rows in space.candidates) + 2
    table = np.full((space.num_slots, size), -1, dtype=np.int32)  # the empty element, -1, is the last column
    for slot, rows in enumerate(space.candidates):
        table[slot, rows] = np.arange(len(rows))
    return lambda rows: space.is_legal(np.stack([table[c][rows[:, c]] for c in range(space.num_slots)], axis=1))
