"""The unchanged public client of Azure AI Personalizer against a running server, and one slot in process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from azure.ai.personalizer import PersonalizerClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from tests.conftest import PAIRS_CONFIG
from tests.kits.command_line import tiny_world
from tests.kits.running_service import KEY, RunningService, key_without
from tests.serving.routes.test_decide import pool

from genco.policies.optimizer import Optimizer
from genco.serving.joiner import settled
from genco.serving.store import open_store
from genco.simulator.folder import simulate_to_folder
from genco.simulator.scenarios import ComponentSpec
from genco.storage.dataset import open_dataset
from genco.training.config import config_from
from genco.training.train import train

SLOTS = ("title", "image", "tag")


@pytest.fixture
def client(service: RunningService) -> PersonalizerClient:
    return PersonalizerClient(service.url, AzureKeyCredential(KEY), retry_total=0)


def rank_body(optimizer: Optimizer, product: int = 0, **changes: Any) -> dict[str, Any]:
    pools = [pool(optimizer, product, slot) for slot in range(3)]
    return {
        "actions": [{"id": name, "features": [{"any": 1}]} for names in pools for name in names],
        "slots": [{"id": s, "baselineAction": p[0], "features": []} for s, p in zip(SLOTS, pools, strict=True)],
        "contextFeatures": [{"user": {"unknown": "thing"}}],
        **changes,
    }


def joined(service: RunningService) -> dict[str, float]:
    engine = open_store(service.store)
    with engine.connect() as connection:
        found = {row.event_id: row.reward for row in settled(connection, 0, 2**62)}
    engine.dispose()
    return found


def test_rank_reward_and_activate(
    service: RunningService, client: PersonalizerClient, pairs_optimizer: Optimizer
) -> None:
    ranked = client.rank_multi_slot(rank_body(pairs_optimizer))
    assert [slot["id"] for slot in ranked["slots"]] == list(SLOTS)
    assert all(s["rewardActionId"] in pool(pairs_optimizer, 0, i) for i, s in enumerate(ranked["slots"]))
    deferred = client.rank_multi_slot(rank_body(pairs_optimizer, deferActivation=True, eventId="theirs-1"))
    assert deferred["eventId"] == "theirs-1"
    never = client.rank_multi_slot(rank_body(pairs_optimizer, deferActivation=True, eventId="theirs-2"))
    reward = {"reward": [{"slotId": "title", "value": 0.5}, {"slotId": "tag", "value": 0.25}]}
    for event_id in (ranked["eventId"], "theirs-1", "theirs-2", "theirs-1"):
        client.reward_multi_slot(event_id, reward)
    client.activate_multi_slot("theirs-1")
    learned = joined(service)
    assert (learned[ranked["eventId"]], learned["theirs-1"]) == (0.75, 0.75)
    assert never["eventId"] not in learned


def test_excluded_actions_and_given_actions_are_obeyed(client: PersonalizerClient, pairs_optimizer: Optimizer) -> None:
    body = rank_body(pairs_optimizer, 1)
    titles = pool(pairs_optimizer, 1, 0)
    body["actions"] = [action for action in body["actions"] if action["id"] != titles[1]]
    body["slots"][0]["excludedActions"] = titles[3:]
    for _ in range(4):
        assert client.rank_multi_slot(body)["slots"][0]["rewardActionId"] in (titles[0], titles[2])


def test_errors_are_those_the_client_knows(
    service: RunningService, client: PersonalizerClient, pairs_optimizer: Optimizer
) -> None:
    with pytest.raises(ResourceNotFoundError, match="unknown_decision"):
        client.activate_multi_slot("never ranked")
    with pytest.raises(HttpResponseError, match="several_slots"):
        client.rank({"actions": [{"id": "a", "features": []}], "contextFeatures": []})
    with pytest.raises(HttpResponseError, match="unknown_id"):
        client.rank_multi_slot(rank_body(pairs_optimizer, slots=[{"id": "nothing", "baselineAction": "a"}]))
    mixed = rank_body(pairs_optimizer)
    mixed["actions"] += rank_body(pairs_optimizer, 1)["actions"]
    with pytest.raises(HttpResponseError, match="product_unclear"):
        client.rank_multi_slot(mixed)
    mixed["contextFeatures"] = [{"page": {"product_id": pairs_optimizer.catalogue.products["product_id"][0]}}]
    assert len(client.rank_multi_slot(mixed)["slots"]) == 3
    for key in ("nothing", key_without("decide")):
        other = PersonalizerClient(service.url, AzureKeyCredential(key), retry_total=0)
        with pytest.raises((ClientAuthenticationError, HttpResponseError), match=r"key_unknown|scope_missing"):
            other.rank_multi_slot(rank_body(pairs_optimizer))


def test_one_slot(tmp_path: Path) -> None:
    world = replace(tiny_world(num_products=1), components=(ComponentSpec("title", 5),))
    data = open_dataset(simulate_to_folder(world, 2_000, 1, tmp_path / "data"))
    quick = {**PAIRS_CONFIG, "training": {"steps": 1, "requests": 8, "group": 4}}
    run = train(data, tmp_path / "run", config_from(quick))
    actions = pl.read_parquet(run.path / "catalogue.parquet")["element_id"].to_list()
    with RunningService(run.path, str(tmp_path / "store.db"), tmp_path) as running:
        client = PersonalizerClient(running.url, AzureKeyCredential(KEY), retry_total=0)
        body = {"actions": [{"id": name, "features": [{}]} for name in actions], "excludedActions": actions[:1]}
        ranked = client.rank(body)
        probability = {entry["id"]: entry["probability"] for entry in ranked["ranking"]}
        assert set(probability) == set(actions) and probability[actions[0]] == 0.0
        assert sum(probability.values()) == pytest.approx(1.0) and probability[ranked["rewardActionId"]] > 0
        client.reward(ranked["eventId"], {"value": 1.0})
        client.activate(ranked["eventId"])
        assert joined(running) == {ranked["eventId"]: 1.0}
        with pytest.raises(HttpResponseError, match="no_legal_combination"):
            client.rank({**body, "excludedActions": actions})
        blocked = {"statuses": [{"element_id": name, "status": "blocked"} for name in actions[1:3]]}
        assert running.client.put("/v1/catalogue", json=blocked).status_code == 200
        probability = {entry["id"]: entry["probability"] for entry in client.rank(body)["ranking"]}
        assert [name for name in actions if probability[name] > 0] == actions[3:]
