"""A run that retrains in a moment, and a log worth training on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert
from tests.kits.service_rows import decision

from genco.policies.optimizer import Optimizer
from genco.serving.service import Service
from genco.serving.tables import decisions, events
from genco.storage.checkpoint import save_toml
from genco.storage.runs import RunFolder


def quick_run(run: Path, out: Path) -> Path:
    """A copy whose configuration asks for one step."""
    copy = RunFolder.open(shutil.copytree(run, out))
    copy.info["config"]["training"]["steps"] = 1
    save_toml(copy.path / "run.toml", copy.info)
    return copy.path


def fill_log(service: Service, optimizer: Optimizer, segments: tuple[str, ...], num: int = 1_500) -> None:
    """Settled decisions of the first products, a tenth of them clicked."""
    rng, catalogue = np.random.default_rng(0), optimizer.catalogue
    at = service.clock.now() - num - 60_000_000
    ids = catalogue.elements["element_id"]
    made, clicked = [], []
    for i in range(num):
        product = i % 5
        chosen = [str(ids[int(rng.choice(catalogue.pool(product, slot)))]) for slot in range(3)]
        values = {"product_id": str(catalogue.products["product_id"][product]), "propensity": 0.01}
        values |= {"combination": json.dumps(chosen), "context": json.dumps({"segment": segments[i % len(segments)]})}
        made.append(decision(f"e{i}", at + i, True) | values)
        if i % 10 == 0:
            row = {"row_id": f"c{i}", "event_id": f"e{i}", "kind": "click", "slot_id": "", "value": 1.0, "late": False}
            clicked.append(row | {"received_at": at + i + 1})

    def write(connection: Any) -> None:
        connection.execute(insert(decisions), made)
        connection.execute(insert(events), clicked)

    service.writer.submit(write).result()
