"""The bodies of events, read strictly: every fault is named at once; fields of other names are not looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from models import exact_json
from models.events import DIRECT, SOURCES
from models.impression_ids import LONGEST
from models.targeting_facts import PLACEMENTS
from serving.errors import brief, refused
from serving.requests import LONGEST_ID

MOST_REVENUE = Decimal("99999999.99")
MOST_SECONDS = 2**31 - 1
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Body:
    """Fields of one body, taken one by one; `done` then says what was wrong with them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._faults: list[dict[str, str]] = []

    def id(self, name: str, longest: int = LONGEST_ID) -> str:
        """An id that has to be there."""
        value = self._given.get(name)
        if not isinstance(value, str) or not value:
            return self._fault(name, "is required, as a text that is not empty.")
        return value if len(value) <= longest else self._fault(name, f"is longer than {longest} characters.")

    def optional_id(self, name: str, longest: int = LONGEST_ID) -> str:
        """An id or "", which is also what null and an empty text stand for."""
        return self.id(name, longest) if self._given.get(name) not in (None, "") else ""

    def impression(self) -> str:
        """An impression's id, as it was issued."""
        return self.id("impressionId", LONGEST)

    def one_of(self, name: str, values: tuple[str, ...], default: str = "") -> str:
        """One of the contract's words; with a default it may be missing."""
        value = self._given.get(name)
        if value is None and default:
            return default
        return value if isinstance(value, str) and value in values else self._fault(name, f"has to be one of {', '.join(values)}.")

    def placement(self) -> str:
        """Where an offer was shown."""
        return self.one_of("placement", PLACEMENTS)

    def source(self) -> str:
        """Where a view came from."""
        return self.one_of("source", SOURCES, DIRECT)

    def revenue(self) -> Decimal:
        """An amount that has to be there, 0..MOST_REVENUE, of two decimals at most."""
        value = self._given.get("revenue")
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value <= MOST_REVENUE:
            amount = Decimal(value)
            if amount == round(amount, 2):
                return round(amount, 2)
        self._fault("revenue", f"is required, as an amount from 0 to {MOST_REVENUE} with two decimals at most.")
        return Decimal(0)

    def seconds(self, name: str) -> int | None:
        """A duration, rounded down to whole seconds; None where it is not given."""
        value = self._given.get(name)
        if value is None:
            return None
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value <= MOST_SECONDS:
            return int(value)
        self._fault(name, f"has to be a number of seconds from 0 to {MOST_SECONDS}.")
        return None

    def object(self, name: str) -> bytes:
        """A JSON object that has to be there, as JSON."""
        value = self._given.get(name)
        if isinstance(value, dict):
            return exact_json.write(value)
        self._fault(name, "is required, as an object.")
        return b"{}"

    def done(self) -> None:
        """Raises ApiError 400 where anything was wrong."""
        if self._faults:
            raise refused(400, "Invalid parameter", self._faults)

    def _fault(self, name: str, message: str) -> str:
        self._faults.append({"field": name, "message": message})
        return ""


def idempotency_key(given: list[str]) -> str:
    """The value of the Idempotency-Key header, "" without one. Raises ApiError 400."""
    if not given:
        return ""
    if len(given) > 1 or not IDEMPOTENCY_KEY.fullmatch(given[0]):
        message = f"is {brief(', '.join(given))}: give it once, as 1 to 200 visible characters of ASCII."
        raise refused(400, "Invalid parameter", [{"field": "Idempotency-Key", "message": message}])
    return given[0]
