"""Pictures come from the dataset folder or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from genco.drawings.pictures import MAX_BYTES, Pictures, placeholder
from genco.evaluation.element_table import ElementView

START = b"\x89PNG\r\n\x1a\n"


def element(uri: str | None) -> ElementView:
    return ElementView("e<1>", "image", None, uri)


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    for name, content in {
        "a.txt": START,
        "b.png": b"\xff\xd8\xff",
        "c.png": b"RIFF1234WEBP",
        "d.png": b"GIF89a",
    }.items():
        (tmp_path / name).write_bytes(content)
    found = [Pictures(tmp_path).uri(element(name)) or "" for name in ("a.txt", "b.png", "c.png", "d.png")]
    assert [uri.split(";")[0] for uri in found] == [
        "data:image/png",
        "data:image/jpeg",
        "data:image/webp",
        "data:image/gif",
    ]


@pytest.mark.parametrize(
    "uri",
    [None, "", "missing.png", "../outside.png", "https://example.org/x.png", "script.svg", "large.png", ".", "a\0b"],
)
def test_everything_else_is_left_out(tmp_path: Path, uri: str | None) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(START)
    (folder / "script.svg").write_text("<svg onload='alert(1)'/>")
    (folder / "large.png").write_bytes(START + bytes(MAX_BYTES))
    assert Pictures(folder).uri(element(uri)) is None


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(START)
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    assert Pictures(folder).uri(element("link.png")) is None


def test_stand_in_names_the_element() -> None:
    drawn = placeholder(element("missing.png"))
    assert "e&lt;1&gt;" in drawn and "<1>" not in drawn
