"""The parts of one studio on one service."""

from __future__ import annotations

from pathlib import Path

from genco.serving.service import Service
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.judged_labels import JudgedLabels
from genco.studio.sessions import Attempts, Links
from genco.studio.tally import Tally
from genco.studio.view import View


class Studio:
    """pictures: dataset folder whose pictures may be shown, None = none are."""

    def __init__(self, service: Service, pictures: Path | None) -> None:
        self.service, self.pictures = service, pictures
        self.attempts, self.links = Attempts(), Links()
        self.tally = Tally(service)
        self.labels = JudgedLabels(self.prepared, service.clock.now)
        self._index: CatalogueIndex | None = None

    def view(self) -> View:
        """The model that is served now, and what was counted last."""
        optimizer, index = self.service.model.optimizer, self._index
        if index is None:
            index = self._index = CatalogueIndex(optimizer.catalogue)
        elif index.catalogue is not optimizer.catalogue:
            index = self._index = index.on(optimizer.catalogue)
        return View(optimizer, index, self.tally.counts_on(optimizer.catalogue), self.service.live.version.root)

    def prepared(self) -> View:
        """The same, with everything made that the next reader would wait for."""
        view = self.view()
        view.index.prepare()
        return view
