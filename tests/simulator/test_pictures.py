"""Pictures: every category and layout can be drawn, and a missing Pillow is explained."""

from __future__ import annotations

import sys

import pytest

from genco.errors import ConfigError
from genco.simulator.jd_card_words import BACKDROPS, CATEGORIES, COLOURS, LAYOUTS
from genco.simulator.pictures import picture


def test_all_categories_and_layouts_differ() -> None:
    pytest.importorskip("PIL")
    drawn = {picture(category, "red", "studio", layout) for category in CATEGORIES for layout in LAYOUTS}
    assert len(drawn) == len(CATEGORIES) * len(LAYOUTS)
    assert len({picture("kettle", colour, "sky", "pair") for colour in COLOURS}) == len(COLOURS)
    assert len({picture("kettle", "blue", backdrop, "pair") for backdrop in BACKDROPS}) == len(BACKDROPS)
    assert picture("sofa", "teal", "wood", "tilted") == picture("sofa", "teal", "wood", "tilted")


def test_missing_pillow_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match=r"needs Pillow. Install it: pip install pillow"):
        picture("sofa", "teal", "wood", "tilted")
