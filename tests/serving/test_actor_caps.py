"""Rewards of one actor: so many a window, the same answer for the same row, nobody else's affair."""

from __future__ import annotations

from pathlib import Path

from tests.kits.running_service import InProcess

from genco.serving.actor_caps import ActorCaps
from genco.storage.runs import RunFolder


def test_a_window_has_room_for_so_many() -> None:
    caps = ActorCaps(2, 100)
    assert [caps.allows("a", row, 5) for row in "xyzxy"] == [True, True, False, True, True]
    assert caps.allows("b", "z", 99) and not caps.allows("a", "z", 99)
    assert caps.allows("a", "z", 100) and caps.allows(None, "w", 100)
    assert all(ActorCaps(0, 100).allows("a", str(row), 1) for row in range(1_000))


def test_one_actor_that_clicks_everything(pairs_run: RunFolder, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "store.db"), rewards_per_actor=3) as running:
        product = str(running.service.model.catalogue.products["product_id"][0])
        made = [running.decide(product, actor_id="script")["event_id"] for _ in range(6)]
        clicks = [{"event_id": name, "kind": "click"} for name in made]
        results = running.report(*clicks, {"event_id": made[0], "kind": "impression"})
        assert [row["status"] for row in results] == ["accepted"] * 3 + ["rejected"] * 3 + ["accepted"]
        assert results[3]["code"] == "actor_cap"
        assert [row["status"] for row in running.report(*clicks)] == ["duplicate"] * 3 + ["rejected"] * 3
        for other in ({"actor_id": "reader"}, {}):
            name = running.decide(product, **other)["event_id"]
            assert running.report({"event_id": name, "kind": "click"})[0]["status"] == "accepted"
        running.travel(3_600)
        assert running.report({"event_id": made[5], "kind": "click"})[0]["status"] == "late"
