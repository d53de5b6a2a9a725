"""Pictures of elements: files of the dataset folder and nothing else."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.drawings.pictures import picture_file
from genco.evaluation.element_table import ElementView
from genco.serving.errors import ApiError
from genco.studio.access import studio_of

router = APIRouter()
MAX_BYTES = 5_000_000
STAND_IN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8a939a"/>'
    '<path d="M14 68 38 40 54 58 64 48 82 68Z" fill="#d5dade"/><circle cx="66" cy="30" r="7" fill="#d5dade"/></svg>'
)


class PictureLinks:
    """Addresses of pictures. A link to another machine is never followed: such an element gets a drawn stand-in."""

    def uri(self, element: ElementView) -> str | None:
        """Where the studio serves the element's picture, None where it names no file."""
        if not element.image_uri or "://" in element.image_uri or element.element_id is None:
            return None
        return f"/studio/picture?element={quote(element.element_id, safe='')}"


@router.get("/picture")
def picture(request: Request, element: str) -> Response:
    """The file an element names, where it is a picture inside the dataset folder; else a drawn stand-in."""
    studio = studio_of(request)
    catalogue = studio.service.model.catalogue
    row = catalogue.element_rows.get(element)
    if row is None:
        raise ApiError(404, "not_found", "There is no such element.")
    path = catalogue.elements["image_uri"][row]
    found = None if not path or studio.pictures is None else picture_file(studio.pictures, path, MAX_BYTES)
    if found is None:
        return Response(STAND_IN, media_type="image/svg+xml")
    return Response(found[1], media_type=found[0], headers={"Cache-Control": "private, max-age=3600"})
