"""Reading bodies and writing answers: bytes in, bytes out, every error with a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from genco.serving.errors import ApiError
from genco.serving.schemas import ErrorAnswer, ErrorBody, RowFaultOut
from genco.serving.service import Service

Model = TypeVar("Model", bound=BaseModel)
JSON = "application/json"


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def read_body(request: Request) -> bytes:
    """The whole body. Raises `ApiError`: 413 above the configured size, without reading on; 400 where the caller went
    away, which nobody reads but log and metrics."""
    limit = service_of(request).config.max_body_bytes
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect as error:
        raise ApiError(400, "body_cut_off", "The caller went away within the body.") from error
    return b"".join(parts)


def parsed(model: type[Model], body: bytes) -> Model:
    """The body as `model`. Raises `ApiError` 422 that names the first wrong field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise ApiError(422, "invalid_body", first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """Where and what, in one line."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def answer(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(exclude_none=False), status, media_type=JSON)


def error_answer(error: ApiError) -> Response:
    rows = [RowFaultOut(**vars(fault)) for fault in error.rows] or None
    body = ErrorAnswer(error=ErrorBody(code=error.code, message=error.message, rows=rows))
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body.model_dump_json(exclude_none=True), error.status, headers, media_type=JSON)


def described(
    body: type[BaseModel] | None,
    *statuses: int,
    also: dict[str, Any] | None = None,
    query: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """What a route tells OpenAPI: its body, other kinds of body, query parameters, and the errors it may answer."""
    extra: dict[str, Any] = {"parameters": list(query)} if query else {}
    if body is not None:
        schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        extra["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}, **(also or {})}}
    errors = sorted({401, 403, 429, 500, 503, *statuses})
    return {
        "openapi_extra": {**extra, "security": [{"key": []}]},
        "responses": {status: {"model": ErrorAnswer, "description": _MEANING[status]} for status in errors},
    }


_MEANING = {
    401: "No valid key.",
    403: "The key lacks the scope.",
    404: "Not found.",
    409: "It contradicts what is stored.",
    413: "The body is too large.",
    422: "The request is wrong; the code says how.",
    429: "Too many requests; see Retry-After.",
    500: "A fault of the service.",
    503: "Not now; see Retry-After.",
}


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "body_too_large", f"A body has at most {limit:,} bytes.")
