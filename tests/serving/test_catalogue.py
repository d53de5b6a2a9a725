"""The catalogue while serving: what is added is read by its content, served once approved, learned, exported, kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from tests.conftest import CARD_CONFIG
from tests.kits.running_service import InProcess, error_code

from genco.api import products_left_out
from genco.data.rules import Forbid, Pin
from genco.serving.additions import AddedElement, AddedProduct, Additions
from genco.serving.additions_store import read_additions, write_additions
from genco.serving.export import export_log
from genco.serving.learner import Learner
from genco.serving.store import open_store
from genco.serving.tables import audit
from genco.storage.dataset import open_dataset
from genco.storage.runs import RunFolder
from genco.storage.validate import validate_dataset

NEW = {"element_id": "new", "component": "title", "text": "买一送一 🎁 today only"}


@pytest.fixture
def run(card_run: RunFolder, tmp_path: Path) -> Path:
    """A copy: learned versions are written beside it."""
    return shutil.copytree(card_run.path, tmp_path / "run")


@pytest.fixture
def running(run: Path, tmp_path: Path) -> Iterator[InProcess]:
    with InProcess(run, str(tmp_path / "store.db"), rate_per_second=1e6) as running:
        yield running


def put(running: InProcess, **edit: Any) -> dict[str, Any]:
    answer = running.client.put("/v1/catalogue", json=edit)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


def first(running: InProcess, number: int = 0) -> str:
    return str(running.service.model.catalogue.products["product_id"][number])


def own(running: InProcess, component: str, number: int = 0) -> list[dict[str, Any]]:
    """Elements of a product and component as rows that can be sent."""
    view = running.client.get(f"/v1/catalogue/products/{first(running, number)}").json()
    return [row for row in view["elements"] if row["component"] == component and not row["shared"]]


def approved(running: InProcess, component: str) -> list[str]:
    return [row["element_id"] for row in own(running, component) if row["status"] == "approved"]


def pinned(running: InProcess, product: str, element: str, slot: str = "title") -> Any:
    ask = {"product_id": product, "pinned": [{"slot_id": slot, "element_id": element}], "defer_activation": False}
    return running.client.post("/v1/decide", json=ask)


def test_a_new_element_is_shown_once_it_is_approved(running: InProcess) -> None:
    product, twin = first(running), own(running, "title")[0]
    new = {**NEW, "product_id": product, "text": twin["text"]}
    assert put(running, elements=[new]) == {
        "version": 1,
        "changed": 0,
        "products": 0,
        "elements": 1,
        "rules": 0,
        "left_to_the_run": 0,
    }
    refused = pinned(running, product, "new")
    assert (refused.status_code, error_code(refused)) == (422, "no_legal_combination")
    assert all("new" not in slot.values() for _ in range(30) for slot in running.decide(product)["slots"])
    put(running, statuses=[{"element_id": "new", "status": "approved"}])
    assert 0 < pinned(running, product, "new").json()["propensity"] <= 1
    bound = running.service.model.policy.bound
    rows = running.service.model.catalogue.element_rows
    np.testing.assert_allclose(bound.latents[rows["new"]], bound.latents[rows[twin["element_id"]]], atol=1e-6)
    assert bound.element_var[rows["new"]] >= bound.element_var[rows[twin["element_id"]]]
    view = running.client.get(f"/v1/catalogue/products/{product}").json()
    row = next(row for row in view["elements"] if row["element_id"] == "new")
    assert row["added"] and row["status"] == "approved" and row["text"] == twin["text"]
    assert view["legal"] and view["why_not"] is None and not view["added"] and view["version"] == 2
    put(running, elements=[{**new, "text": "other words"}])  # sent again: new words, approval kept
    assert own(running, "title")[-1]["text"] == "other words" and own(running, "title")[-1]["status"] == "approved"
    bound = running.service.model.policy.bound
    assert (bound.element_mean[rows["new"]], bound.element_var[rows["new"]]) == (0, bound.model.element_variance)
    with running.service.engine.connect() as connection:
        acts = connection.execute(select(audit.c.act, audit.c.detail).order_by(audit.c.number)).all()
    assert [act for act, _ in acts] == [
        "add_key",
        "edit_catalogue",
        "apply_control",
        "edit_catalogue",
    ] and "new" in acts[1][1]
    missing = running.client.get("/v1/catalogue/products/no/such")
    assert (missing.status_code, error_code(missing)) == (404, "unknown_product")


def new_product(running: InProcess) -> dict[str, Any]:
    """A product with a copy of every element that the first one has to itself."""
    view = running.client.get(f"/v1/catalogue/products/{first(running)}").json()
    elements = [
        {**{k: row[k] for k in ("component", "text", "features")}, "element_id": f"n{i}", "product_id": "p/new"}
        for i, row in enumerate(row for row in view["elements"] if not row["shared"])
    ]
    return {
        "products": [{"product_id": "p/new", "features": view["features"]}],
        "elements": [{**row, "status": "approved"} for row in elements],
    }


def test_a_new_product_is_served_learned_exported_and_kept(running: InProcess, run: Path, tmp_path: Path) -> None:
    from genco.training.config import config_from
    from genco.training.train import train

    answer = put(running, **new_product(running))
    assert (answer["products"], answer["version"]) == (1, 1)
    service, learner = running.service, Learner(running.service)
    running.decide(first(running), defer_activation=False)
    running.travel(603)
    assert learner.round() == 1
    more = {"products": [{"product_id": "p2"}], "elements": [{**NEW, "status": "approved"}]}
    put(running, **more)  # while the learner has a state of fewer products
    made = [running.decide("p/new", defer_activation=False) for _ in range(40)]
    assert all(slot["element_id"][0] == "n" or slot["element_id"] == "new" for slot in made[0]["slots"][:2])
    running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made))
    running.travel(603)
    before = service.model.policy.bound.appeal_base[service.model.catalogue.product_rows["p/new"]]
    assert learner.round() == 40
    after = service.model.policy.bound.appeal_base[service.model.catalogue.product_rows["p/new"]]
    assert after > before + 0.5  # everything was clicked
    store = open_store(str(tmp_path / "store.db"))
    done = export_log(store, tmp_path / "data", service.clock.now() + 1)
    store.dispose()
    assert (done.rows, done.left_out) == (41, 0)
    dataset = open_dataset(tmp_path / "data")
    assert validate_dataset(tmp_path / "data") == []
    (told,) = products_left_out(dataset)
    assert "'p2'" in told
    trained = train(
        dataset, tmp_path / "next", config_from({**CARD_CONFIG, "training": {"steps": 1, "requests": 8, "group": 4}})
    )
    running.client.post("/v1/models", json={"path": str(trained.path)})
    version = next(
        m["version"] for m in running.client.get("/v1/models").json()["models"] if m["path"] == str(trained.path)
    )
    assert running.client.post(f"/v1/models/{version}/promote").status_code == 200
    view = running.client.get("/v1/catalogue/products/p/new").json()
    assert not view["added"] and not any(row["added"] for row in view["elements"]) and view["legal"]
    assert put(running, **new_product(running))["left_to_the_run"] == 1 + len(new_product(running)["elements"])
    assert running.client.post(f"/v1/models/{version}/rollback").status_code == 200
    running.decide("p/new")
    running.client.__exit__(None, None, None)
    with InProcess(run, str(tmp_path / "store.db")) as again:
        answer = again.decide("p/new")
        view = again.client.get("/v1/catalogue/products/p/new").json()
        assert view["added"] and view["version"] == 3 and answer["policy"] == "model"


def test_rows_are_taken_all_or_none_and_every_fault_is_told(running: InProcess) -> None:
    product = first(running)
    title = own(running, "title")[0]["element_id"]
    good = {**NEW, "product_id": product}
    edit = {
        "products": [{"product_id": "a"}, {"product_id": "a", "features": {"prise": 1}}],
        "elements": [
            good,
            {**NEW, "element_id": "x", "product_id": "nothing"},
            {**NEW, "element_id": "y", "component": "titel"},
            {**NEW, "element_id": title, "component": "image", "product_id": product},
        ],
    }
    refused = running.client.put("/v1/catalogue", json=edit)
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "invalid_rows"
    rows = refused.json()["error"]["rows"]
    assert [(row["table"], row["row"], row["field"], row["rule"]) for row in rows] == [
        ("products", 1, "product_id", "repeated"),
        ("products", 1, "prise", "unknown_feature"),
        ("elements", 1, "product_id", "unknown_product"),
        ("elements", 2, "component", "unknown_component"),
        ("elements", 3, "component", "fixed"),
    ]
    assert rows[2]["value"] == "'nothing'" and "elements, row 1, field 'product_id'" in rows[2]["message"]
    assert "Did you mean 'title'?" in rows[3]["message"]
    kinds = running.service.model.catalogue.products.schema
    number = next(name for name, dtype in kinds.items() if dtype.is_numeric())
    wrong = running.client.put("/v1/catalogue", json={"products": [{"product_id": "a", "features": {number: "x"}}]})
    assert [row["rule"] for row in wrong.json()["error"]["rows"]] == ["type"]
    both = {"elements": [good], "statuses": [{"element_id": "nothing", "status": "approved"}]}
    assert error_code(running.client.put("/v1/catalogue", json=both)) == "unknown_id"
    assert error_code(running.client.put("/v1/catalogue", json={})) == "invalid_body"
    assert running.service.model.catalogue_version == 0
    assert "new" not in running.service.model.catalogue.element_rows


def test_rules_are_set_as_a_whole(running: InProcess) -> None:
    product, titles = first(running), approved(running, "title")
    pin = {"kind": "pin", "slot": "title", "element": titles[1], "product_id": product}
    assert put(running, rules=[pin], elements=[NEW])["rules"] == 1
    assert {running.decide(product)["slots"][0]["element_id"] for _ in range(20)} == {titles[1]}
    clash = running.client.put("/v1/catalogue", json={"rules": [pin, {**pin, "element": titles[0]}]})
    assert error_code(clash) == "no_legal_combination"
    faults = running.client.put(
        "/v1/catalogue",
        json={"rules": [{"kind": "pinn"}, {**pin, "element": "nothing"}, {**pin, "slot": "titel"}]},
    ).json()["error"]["rows"]
    assert [(row["table"], row["row"]) for row in faults] == [("rules", 0), ("rules", 1), ("rules", 2)]
    assert "Did you mean 'pin'?" in faults[0]["message"] and "nothing" in faults[1]["message"]
    put(running, elements=[{**NEW, "element_id": "more"}])  # rules as before
    assert {running.decide(product)["slots"][0]["element_id"] for _ in range(20)} == {titles[1]}
    put(running, rules=[])
    assert {running.decide(product)["slots"][0]["element_id"] for _ in range(60)} != {titles[1]}


def test_rows_sent_again_may_not_leave_a_product_without_a_title(running: InProcess) -> None:
    """`pending` is what a row is that does not say otherwise."""
    catalogue = running.service.model.catalogue
    rows = catalogue.elements[catalogue.pool(0, 0).tolist()]
    sent = [
        {"element_id": row["element_id"], "product_id": row["product_id"], "component": row["component"]}
        for row in rows.iter_rows(named=True)
    ]
    refused = running.client.put("/v1/catalogue", json={"elements": sent})
    assert (refused.status_code, error_code(refused)) == (422, "no_legal_combination")
    assert running.client.put("/v1/catalogue", json={"elements": sent[1:]}).status_code == 200


def test_a_product_without_elements_says_what_it_lacks(running: InProcess) -> None:
    put(running, products=[{"product_id": "alone"}])
    view = running.client.get("/v1/catalogue/products/alone").json()
    assert (view["added"], view["legal"]) == (True, False) and "no approved element" in view["why_not"]
    refused = running.client.post("/v1/decide", json={"product_id": "alone"})
    assert (refused.status_code, error_code(refused)) == (422, "no_legal_combination")


def test_additions_are_kept_in_order_of_arrival(store_url: str) -> None:
    engine = open_store(store_url)
    products = [AddedProduct(product_id=name, features={"price": 2.5}) for name in "ba"]
    elements = [AddedElement(element_id="e", component="title", text="x\x00y 🎁")]
    rules = [Forbid((("e", "f"),)), Pin("title", "e", "b")]
    with engine.begin() as connection:
        assert read_additions(connection) == Additions()
        write_additions(connection, products, elements, rules, 5)
    with engine.begin() as connection:
        assert read_additions(connection) == Additions(tuple(products), tuple(elements), tuple(rules))
        changed = AddedProduct(product_id="b"), AddedProduct(product_id="c")
        write_additions(connection, changed, [], [rules[1]], 6)
    with engine.begin() as connection:
        found = read_additions(connection)
        assert [added.product_id for added in found.products] == ["b", "a", "c"] and not found.products[0].features
        assert (found.elements, found.rules) == (tuple(elements), (rules[1],))
    engine.dispose()


def test_texts_that_cannot_be_encoded_are_refused(running: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    from genco.errors import ConfigError
    from genco.policies import optimizer

    def no_extra(_: RunFolder) -> None:
        raise ConfigError("Text encoder `minilm` needs the extra `embed`.")

    monkeypatch.setattr(optimizer, "text_of", no_extra)
    refused = running.client.put("/v1/catalogue", json={"elements": [NEW]})
    assert (refused.status_code, error_code(refused)) == (422, "text_unusable")
    assert running.service.model.catalogue_version == 0
