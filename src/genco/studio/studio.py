"""The parts of one studio on one service."""

from __future__ import annotations

from pathlib import Path

from genco.serving.service import Service
from genco.studio.sessions import Attempts, Links
from genco.studio.tally import Tally


class Studio:
    """pictures: dataset folder whose pictures may be shown, None = none are."""

    def __init__(self, service: Service, pictures: Path | None) -> None:
        self.service, self.pictures = service, pictures
        self.attempts, self.links = Attempts(), Links()
        self.tally = Tally(service)
