"""GET /api/health."""

from __future__ import annotations

import redis

from models.generation import COMPANIES_KEY
from tests.serving.api import Api, eventually
from tests.serving.shelf import publish


def test_health_has_the_contract_s_shape(api: Api, client: redis.Redis, company: str) -> None:
    """Status, version, number of companies with a live generation, and a check per service."""
    publish(client, company)
    eventually(lambda: api.get("/api/health").json()["generations"] == client.scard(COMPANIES_KEY), "the count lags behind")
    answer = api.get("/api/health")
    document = answer.json()
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert list(document) == ["status", "version", "generations", "checks"]
    assert document["status"] == "ok"
    assert document["version"][0].isdigit()
    assert document["checks"]["redis"]["ok"] is True
    assert document["checks"]["redis"]["latencyMs"] > 0
    assert document["checks"]["postgres"] == "not used"
