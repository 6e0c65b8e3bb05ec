"""Exposures to the permanent holdout: which sessions were offered something, or would have been (models/holdout.py)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from models import holdout
from models.events import recommendation_impression
from models.offer_counters import utc_day
from serving.events import Intake

# about 150 bytes each
KEPT = 50_000


class Exposures:
    """Notes a session once per UTC day and process; what another process notes too has the same id, and is one row."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._noted: OrderedDict[str, None] = OrderedDict()

    def note(
        self, company: str, session: str, customer: str, variant: str, product_id: str, offered: Sequence[str], now: datetime
    ) -> None:
        """Note that offers stood in a session's cart, or would have; product_id: the cart's first, offered: ids of the rules."""
        at = round(now.timestamp() * 1000)
        id = holdout.exposure_id(company, session, utc_day(at))
        if id in self._noted:
            return
        event = recommendation_impression(
            id,
            company,
            at,
            product_id,
            holdout.EXPOSURE_TYPE,
            session,
            customer,
            experiment_id=holdout.experiment_id(company),
            variant=variant,
            recommended_ids=offered,
        )
        if self._intake.note(event):
            self._noted[id] = None
            if len(self._noted) > KEPT:
                self._noted.popitem(last=False)
