"""Pictures of elements as data: URIs, and a drawn stand-in where the dataset folder has no file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Protocol

from markupsafe import Markup

from genco.drawings.svg import fitted, rectangle, svg, text
from genco.drawings.words import clean
from genco.evaluation.element_table import ElementView

MAX_BYTES = 400_000
MAX_THUMBNAIL = 20_000
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


class PictureSource(Protocol):
    """Where a card finds its picture."""

    def uri(self, element: ElementView) -> str | None:
        """An address the page may show, None where there is no picture."""
        ...


class Pictures:
    """Pictures of one dataset folder, read once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._read: dict[str, str | None] = {}

    def uri(self, element: ElementView) -> str | None:
        """The picture of `element` as a data: URI, None where the folder has no PNG, JPEG, GIF or WebP file.

        Addresses of other machines and paths that lead out of the folder are never followed; files above
        `MAX_BYTES` are left out.
        """
        path = element.image_uri
        if not path:
            return None
        if path not in self._read:
            self._read[path] = self._data_uri(path)
        return self._read[path]

    def thumbnail(self, element: ElementView) -> str | None:
        """The picture where it is small enough to stand in every row of a table."""
        uri = self.uri(element)
        return uri if uri is not None and len(uri) <= MAX_THUMBNAIL else None

    def _data_uri(self, relative: str) -> str | None:
        found = picture_file(self._folder, relative, MAX_BYTES)
        return None if found is None else f"data:{found[0]};base64,{base64.b64encode(found[1]).decode()}"


def picture_file(folder: Path, relative: str, max_bytes: int) -> tuple[str, bytes] | None:
    """Media type and content of a PNG, JPEG, GIF or WebP file inside `folder`, told by its first bytes, else None."""
    try:
        file = (folder / relative).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file() or file.stat().st_size > max_bytes:
            return None
        content = file.read_bytes()
    except (OSError, ValueError):
        return None
    kind = _kind(content)
    return (kind, content) if kind else None


def _kind(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)


def placeholder(element: ElementView) -> Markup:
    """A drawn frame that says which picture would stand here."""
    name = clean(element.element_id or f"no {element.component}")
    frame = rectangle(1, 1, 94, 94, "frame")
    hill = Markup('<path d="M14 64 L38 36 L54 54 L64 44 L82 64 Z M66 26 a6 6 0 1 0 .1 0" class="drawn"/>')
    return svg(96, 96, f"no picture file for {name}", [frame, hill, text(48, 84, fitted(name, 15), "small", "middle")])
