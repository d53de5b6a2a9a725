"""A whole retraining from the Models page: begun with a click, its version served with another, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.kits.retrainable import fill_log, quick_run
from tests.kits.running_service import RunningService
from tests.kits.waiting import PATIENCE, until
from tests.studio.conftest import open_studio_store, sign_in

from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.serving.config import ServiceConfig
from genco.serving.service import Service
from genco.storage.runs import RunFolder

pytestmark = pytest.mark.soak


def test_a_run_is_trained_and_served(
    browser: Browser,
    pairs_run: RunFolder,
    pairs_optimizer: Optimizer,
    pairs_truth: Truth,
    store_url: str,
    tmp_path: Path,
) -> None:
    run = quick_run(pairs_run.path, tmp_path / "run")
    open_studio_store(store_url)
    service = Service(run, store_url, ServiceConfig(learn_every_seconds=0))
    fill_log(service, pairs_optimizer, tuple(pairs_truth.context_values))
    service.close()
    product = str(pairs_optimizer.catalogue.products["product_id"][0])
    with RunningService(run, store_url, tmp_path, reward_window_seconds=1.0) as running:
        first = running.decide(product)["model_version"]
        context = browser.new_context(base_url=running.url)
        context.set_default_timeout(1_000 * PATIENCE)
        page = context.new_page()
        sign_in(page, "admin")
        page.goto("/studio/models")
        expect(page.get_by_text("Nothing was retrained yet.")).to_be_visible()
        page.get_by_role("button", name="Retrain on the log").click()
        expect(page.get_by_role("region", name="Jobs")).to_be_visible()

        def ended() -> bool:
            page.goto("/studio/models")
            return page.get_by_role("region", name="Jobs").locator(".verdict").inner_text() != "running"

        until(ended, "The job should end", 600)
        jobs = page.get_by_role("region", name="Jobs")
        expect(jobs.locator("tbody tr")).to_contain_text("done")
        expect(jobs.locator("tbody tr")).to_contain_text("from 1,500 impressions")
        version = jobs.locator("code").inner_text()
        assert running.decide(product)["model_version"] == first, "it serves nobody yet"
        row = page.get_by_role("region", name="Versions").locator("tbody tr", has_text=version)
        row.locator("summary").click()
        row.get_by_role("button", name="Serve it to everybody now").click()
        expect(page.locator(".tile", has=page.get_by_role("heading", name="Served"))).to_contain_text(version)
        assert running.decide(product)["model_version"] == version
        row.locator("summary").click()
        row.get_by_role("button", name="Roll back now").click()
        expect(page.locator(".tile", has=page.get_by_role("heading", name="Served"))).to_contain_text(first)
        assert running.decide(product)["model_version"] == first
        lines = page.request.get("/studio/audit.json?actor=user:admin").json()["lines"]
        assert [line["act"] for line in lines][:2] == ["roll_back_model", "promote_model"]
        context.close()
