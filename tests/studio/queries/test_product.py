"""What the page of a product says of revenue."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.kits.revenue_dataset import revenue_dataset
from tests.studio.conftest import PASSWORD, open_studio_store

from genco.serving.app import create_app
from genco.serving.config import ServiceConfig
from genco.serving.service import Service
from genco.studio.app import StudioSurface
from genco.training.config import config_from
from genco.training.train import train

QUICK = {
    "training": {"steps": 1, "requests": 8, "group": 4, "warm_start_steps": 1},
    "reward_model": {"residual": "off", "max_rounds": 1, "max_own_rank": 2},
    "generator": {"width": 8},
}


def test_what_an_event_is_worth(tmp_path: Path) -> None:
    run = train(revenue_dataset(tmp_path / "sales"), tmp_path / "run", config_from(QUICK)).path
    open_studio_store(str(tmp_path / "store.db"))
    service = Service(run, str(tmp_path / "store.db"), ServiceConfig(learn_every_seconds=0))
    value = service.model.optimizer.value
    assert value is not None
    with TestClient(create_app(service, [StudioSurface(service)])) as client:
        client.post("/studio/sign-in", data={"name": "viewer", "password": PASSWORD})
        twin = client.get("/studio/product.json", params={"id": "p1"}).json()
        page = client.get("/studio/product", params={"id": "p1"}).text
    assert twin["rate_of"] == "num_conversions" and twin["worth"] == pytest.approx(value.of("p1"))
    assert "Predicted rates are of conversions; one is worth" in page
    assert "predicted conversion rate" in page and "predicted click rate" not in page
