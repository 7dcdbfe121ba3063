"""Errors as `application/problem+json` (RFC 9457): a title, the status, and one sentence with the remedy."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from stockpipe.api.keys import without_secrets
from stockpipe.common.errors import PipelineError, Unavailable
from stockpipe.common.trace import NotTraced

MEDIA_TYPE = "application/problem+json"


class InvalidPart(BaseModel):
    """One part of a request that is wrong."""

    field: str = Field(description="Which part", examples=["query.limit"])
    value: str = Field(description="What it was, cut to 100 characters", examples=["0"])
    message: str = Field(description="What it must be", examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field("about:blank", description="URI of the kind of error")
    title: str = Field(description="The status in words", examples=["Unprocessable Content"])
    status: int = Field(description="The status of the answer", examples=[422])
    detail: str = Field(description="What is wrong and what to do", examples=["query.limit='0': Input should be ..."])
    instance: str = Field(description="Id of the request, as in the header X-Request-ID", examples=["5f0c7e1a9b3d4c21"])
    errors: list[InvalidPart] | None = Field(None, description="The parts of the request that are wrong")


class ApiProblem(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_body(status: int, detail: str, request_id: str, errors: list[dict[str, str]] | None = None) -> bytes:
    """Return the JSON of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request_id,
    }
    text = msgspec.json.encode(body | ({"errors": errors} if errors else {})).decode()
    return without_secrets(text).encode()


def problem_response(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    """Return the answer that tells a problem."""
    body = problem_body(status, detail, request.state.request_id, errors)
    return Response(body, status, dict(headers or {}) | {"Cache-Control": "no-store"}, MEDIA_TYPE)


def told(request: Request, error: ApiProblem | Unavailable) -> Response:
    """Return the answer to a request that this error ended."""
    request.state.reason = str(error)
    if isinstance(error, ApiProblem):
        return problem_response(request, error.status, error.detail, error.headers)
    detail = "the warehouse or the lake can't be reached at the moment; try again"
    return problem_response(request, 503, detail, {"Retry-After": "5"})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these statuses, besides those that every route has."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in (401, 403, 422, 429, 500, 503, *statuses)
    }


def add_handlers(app: FastAPI) -> None:
    """Make every error of the routes a problem."""

    @app.exception_handler(ApiProblem)
    async def _problem(request: Request, error: ApiProblem) -> Response:
        return told(request, error)

    @app.exception_handler(NotTraced)
    async def _not_traced(request: Request, error: NotTraced) -> Response:
        return problem_response(request, 404, str(error))

    @app.exception_handler(Unavailable)
    async def _unavailable(request: Request, error: Unavailable) -> Response:
        return told(request, error)

    @app.exception_handler(PipelineError)
    async def _failed(request: Request, error: PipelineError) -> Response:
        # The message may name hosts, tables and files: it is for the operator's log.
        request.state.reason = str(error)
        return problem_response(request, 500, "the answer can't be made; the operator finds why by this request's id")

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = "no such route; /openapi.json lists them" if error.status_code == 404 else error.detail
        return problem_response(request, error.status_code, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        parts = [_part(details) for details in error.errors()]
        detail = "; ".join(f"{part['field']}={part['value']!r}: {part['message']}" for part in parts[:5])
        return problem_response(request, 422, detail, None, parts)


def _part(details: Any) -> dict[str, str]:
    return {
        "field": ".".join(str(each) for each in details["loc"]),
        "value": str(details.get("input"))[:100],
        "message": details["msg"].removeprefix("Value error, "),
    }
