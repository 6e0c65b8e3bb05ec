"""The OpenAPI 3.1 document of the whole route table, put together once."""

from __future__ import annotations

from functools import cache
from typing import Any

from serving.health import version
from serving.openapi import administration, experiments, operations, previews, products, recommendations, rules, upsell
from serving.openapi.problems import HEADERS, PROBLEM_SCHEMA, SCHEMES, responses
from serving.sections import to_json

RESOURCES = (recommendations, products, upsell, rules, experiments, previews, administration, operations)
DESCRIPTION = """\
Recommendations and offers of a shop. JSON in camelCase, UTF-8; amounts are numbers with the currency's decimals.

Public operations take the company as `?companyId=`; the others a bearer token, whose scope stands beside each as `x-scope`.
Errors are problem documents (RFC 9457). Fields of a query that are not described are not looked at; one given twice is refused.
Every path also answers HEAD and OPTIONS as HTTP has it, and 405 to any other method.
"""


@cache
def document() -> dict[str, Any]:
    """The document as an object."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Smart Upsell", "version": version(), "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {path: item for resource in RESOURCES for path, item in resource.PATHS.items()},
        "components": {
            "schemas": {"Problem": PROBLEM_SCHEMA} | {name: each for part in RESOURCES for name, each in part.SCHEMAS.items()},
            "responses": responses(),
            "headers": HEADERS,
            "securitySchemes": SCHEMES,
        },
    }


@cache
def as_json() -> bytes:
    """The document as it is served."""
    return to_json(document())
