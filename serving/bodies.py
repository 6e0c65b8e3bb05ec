"""What a client sends in a body: JSON, of a bounded size, read strictly."""

from __future__ import annotations

from typing import Any

from starlette.requests import ClientDisconnect, Request

from models import exact_json
from serving.errors import ApiError, brief, invalid

MOST_BYTES = 64 * 1024


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body; its numbers are int or Decimal.

    Raises ApiError 400 for what is no such object, 413 above MOST_BYTES, 415 where another type is declared.
    """
    declared = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if declared != "application/json" and not (declared.startswith("application/") and declared.endswith("+json")):
        raise ApiError(415, "Not JSON", f"The body is declared as {brief(declared)}: send application/json.")
    try:
        value = exact_json.read(await _bytes(request))
    except ValueError as error:
        raise invalid("body", str(error)) from None
    if not isinstance(value, dict):
        raise invalid("body", "must be a JSON object.")
    return value


def too_large() -> ApiError:
    """The 413, which edge.py raises as soon as more has come or is announced, whatever route it is for."""
    return ApiError(413, "Body too large", f"The body is larger than {MOST_BYTES} bytes.")


async def _bytes(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise ApiError(400, "Invalid request", "The body ended before its length.") from None
