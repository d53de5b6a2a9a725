"""What every page of the studio must pass in a browser: axe in both themes, no sideways scrolling on a phone. And the
figures it must show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kits.waiting import until

from genco.serving.reports import ShownCombination, shown_combinations
from genco.serving.store import open_store

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.kits.running_service import RunningService

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def server_time(headers: Mapping[str, str]) -> float:
    """Seconds the server says it took."""
    return float(headers["server-timing"].removeprefix("total;dur=")) / 1e3


def counted(page: Page, studio: RunningService) -> list[ShownCombination]:
    """The combinations of the log, once the pages have counted all of them: they do so in the background."""
    store = open_store(studio.store)
    with store.connect() as connection:
        rows = shown_combinations(connection)
    store.dispose()
    logged = sum(row.impressions for row in rows), sum(row.clicks for row in rows)

    def is_counted() -> bool:
        found = page.request.get("/studio/overview.json").json()
        return (found["impressions"], found["clicks"]) == logged

    until(is_counted, f"The pages should count {logged} impressions and clicks")
    return rows


def check_page(page: Page, path: str, name: str) -> None:
    """Visit `path` in light, in dark and on a phone; pictures go to `build/screenshots`."""
    from axe_playwright_python.sync_playwright import Axe

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
        assert found.violations_count == 0, f"{path}, {theme}: {found.generate_report()}"
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    page.screenshot(path=SCREENSHOTS / f"{name}-phone.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"{path} is {width} pixels wide on a phone of 360"
