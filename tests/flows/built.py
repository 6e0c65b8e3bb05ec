"""Generations built from made-up features, without a database."""

from __future__ import annotations

from datetime import datetime, timedelta

from flows.object_store import ObjectStore
from flows.progress import silent
from flows.train import train
from models.evaluation import Evaluation
from models.features import Features
from models.generation import Manifest
from models.snapshot import Snapshot, instant
from tests.models.invented import END, features


def snapshot(company: str, watermark: datetime = END, quarantined: dict[str, int] | None = None) -> Snapshot:
    """A snapshot of which only the manifest is there."""
    return Snapshot(company, instant(watermark), "EUR", {}, "products", quarantined=quarantined or {})


def built(store: ObjectStore, company: str, shop: Features, day: float = 0) -> Manifest:
    """A generation of `shop`, with a watermark `day` days after END."""
    own = Features(company, shop.window_end, shop.baskets, shop.views, shop.products, shop.config)
    return train(store, snapshot(company, END + timedelta(days=day)), own, Evaluation(), 0, silent)


def small_shop(products: str = "abc", seed: int = 5) -> Features:
    """A shop whose products are all in one basket, `seed` times."""
    return features([products] * seed)
