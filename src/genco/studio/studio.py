"""The parts of one studio on one service."""

from __future__ import annotations

from pathlib import Path

from genco.serving.service import Service
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.sessions import Attempts, Links
from genco.studio.tally import Tally


class Studio:
    """pictures: dataset folder whose pictures may be shown, None = none are."""

    def __init__(self, service: Service, pictures: Path | None) -> None:
        self.service, self.pictures = service, pictures
        self.attempts, self.links = Attempts(), Links()
        self.tally = Tally(service)
        self._index: CatalogueIndex | None = None

    @property
    def index(self) -> CatalogueIndex:
        """The index of the catalogue that is served now."""
        found, catalogue = self._index, self.service.model.catalogue
        if found is None or found.catalogue is not catalogue:
            found = self._index = CatalogueIndex(catalogue)
        return found
