"""Where flows and serving meet: the keys, payloads and manifest of a generation.

A generation is everything published for one company at one watermark. It is complete before the company's `live` pointer
moves to it, and it is never edited afterwards; readers resolve the pointer once per request and read only keys that carry
that generation's id, so they see one generation or the other, never a mix.

Keys (company percent-encoded, anchor last and as it is, so that any id is unambiguous):

    upsell:companies                          set of companies that have a live generation
    upsell:{company}:live                     id of the live generation
    upsell:{company}:generations              hash: id of a kept generation -> {"publishedAt", "watermark", "nKeys", "gates"};
                                              publishedAt is null while it is being written
    upsell:{company}:refused                  {"generation", "refusedAt", "reason", "gates"} of the last generation that a gate
                                              refused, until a later one goes live
    upsell:{company}:{generation}:manifest    Manifest.to_json()
    upsell:{company}:{generation}:{kind}:{anchor}   payload, see below

A payload is two lines of JSON without raw newlines: the array of products as the public API shows them, and the array of
their evidence in the same order, as the preview shows it. Anchor is a product id for kinds that belong to a product's
page; for `popular` it is a category id, or "" for the whole company.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

COMPANIES_KEY = "upsell:companies"
CHANGED_CHANNEL = "upsell:changed"
WHOLE_COMPANY = ""


def live_key(company: str) -> str:
    """Key of the pointer to the live generation's id."""
    return f"upsell:{quote(company, safe='')}:live"


def kept_key(company: str) -> str:
    """Key of the hash of generations that can be read or rolled back to."""
    return f"upsell:{quote(company, safe='')}:generations"


def refused_key(company: str) -> str:
    """Key of what the gates refused since the last publishing."""
    return f"upsell:{quote(company, safe='')}:refused"


def manifest_key(company: str, generation: str) -> str:
    """Key of a generation's manifest."""
    return f"upsell:{quote(company, safe='')}:{generation}:manifest"


def payload_prefix(company: str, generation: str, kind: str) -> str:
    """What stands before the anchor in a payload's key."""
    return f"upsell:{quote(company, safe='')}:{generation}:{kind}:"


def split_payload(payload: bytes) -> tuple[bytes, bytes]:
    """Products and evidence, each a JSON array, of one stored payload."""
    products, _, evidence = payload.partition(b"\n")
    return products, evidence


@dataclass(frozen=True)
class Section:
    """How a kind shows on a product's page: `type` and titles of the contract, the storefront's display settings, the order
    on the page, and the kind whose whole-company payload stands in where an anchor has none."""

    type: str
    title: str
    position: int
    config: dict[str, Any]
    subtitle: str | None = None
    personalized: bool = False
    enabled: bool = True
    fallback: str | None = None


@dataclass(frozen=True)
class Kind:
    """One published kind: its name, how many anchors have a list, how many items these have, and its section where it has one.

    A kind with a section also has an empty payload for every page that has no list."""

    kind: str
    n_anchors: int
    n_items: int
    section: Section | None = None


@dataclass(frozen=True)
class Manifest:
    """What a generation is: whose, of which watermark (exclusive upper event time, ISO 8601 UTC), with which kinds, counts and
    figures, by which version of the code. Its bytes are a function of the input alone."""

    id: str
    company: str
    watermark: str
    kinds: list[Kind]
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    code_version: str = ""

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, camelCase, UTF-8."""
        document = {
            "id": self.id,
            "company": self.company,
            "watermark": self.watermark,
            "counts": self.counts,
            "figures": self.figures,
            "codeVersion": self.code_version,
            "kinds": [
                {
                    "kind": kind.kind,
                    "nAnchors": kind.n_anchors,
                    "nItems": kind.n_items,
                    "section": vars(kind.section) if kind.section else None,
                }
                for kind in self.kinds
            ],
        }
        return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes | str) -> Manifest:
        """Read `to_json`'s bytes back.

        Raises ValueError when the document is not a manifest.
        """
        try:
            read = json.loads(document)
            kinds = [
                Kind(
                    kind=row["kind"],
                    n_anchors=row["nAnchors"],
                    n_items=row["nItems"],
                    section=Section(**row["section"]) if row["section"] else None,
                )
                for row in read["kinds"]
            ]
            return cls(
                id=read["id"],
                company=read["company"],
                watermark=read["watermark"],
                kinds=kinds,
                counts=read["counts"],
                figures=read["figures"],
                code_version=read["codeVersion"],
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"Not a generation manifest ({error!r}).") from error

    def section(self, kind: str) -> Section | None:
        """The section of `kind`, or None where the generation has no such kind or it shows on no page."""
        return next((row.section for row in self.kinds if row.kind == kind), None)
