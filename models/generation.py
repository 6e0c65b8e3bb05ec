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
    upsell:{company}:session:{session}        sorted set: product -> when the live session last viewed it (ms since 1970); kept
                                              by the read API, of no generation, the newest SESSION_PRODUCTS of SESSION_MS

Of no generation either, and the same whichever is live (models/published_configs.py, models/flags.py):

    upsell:{company}:config:{resource}:{product}   an offer's configuration, resource `bulk-discount` or `subscription-config`: the
                                              version (the row's updatedAt in ms since 1970), a newline, the document that the API
                                              answers; without a document the row was deleted, and the key expires
    upsell:{company}:configs                  set of `{resource}:{product}`, the company's configurations that are published
    upsell:pending-configs                    sorted set of writes that Postgres may hold and Redis does not yet -> when noted (ms):
                                              ["nonce", "company", "resource", "product"]
    upsell:config-poller, upsell:configs-polled   held by the process that polls; when the last poll began (ms)
    upsell:flags, upsell:{company}:flags      {"bulk_discounts_enabled": true, ...}: for all, and a company's own over them

    upsell:{company}:config:{resource}:       a company's rules, running experiments, recommendation configuration and settings in
                                              that form; resource `rules`, `experiments`, `recommendation-config`, `settings`
    upsell:{company}:stamp                    changes whenever one of these does
    upsell:events, upsell:events-drainer      stream of events that wait for Postgres; the lease of the process that drains it
    upsell:signing-secret                     of the impression ids, where no setting gives one
    upsell:{company}:shown:{day}:{subject}, upsell:{company}:declined:{subject}, upsell:{company}:accepted:{rule}
                                              counters of offers (models/offer_counters.py)
    upsell:{company}:once:{what}:{of}         what was answered, for repetitions (24 h at most)
    upsell:rate:{minute}:{c or a}:{who}       requests of a company or an address in a minute since 1970, over all processes; they
                                              end by themselves, 120 s after they were last told of (serving/limits.py)

    upsell:{company}:experiments              hash: experiment id -> {"latest", "history"}, as in UpsellExperiment.results: the
                                              last analysis ({"watermark", "day", "decision", "sentence", "srm", "results", ...}),
                                              and one small entry per day ({"watermark", "decision", "arms"})

A payload is lines of JSON without raw newlines; what they hold is the kind's form:

    items        the array of products as the public API shows them; the array of their evidence in the same order, as the
                 preview shows it; where there is one, an object of what the section shows behind its products: {"bundles": [...]}
    references   the array of [product id, score, reason], best first
    neighbours   the array of [product id, weight], best first
    rows         the array of an object per row: productId, score, source, reason and the evidence, in camelCase; what the API
                 computes with, shown on no page
    (products)   kind `product`, wherever a kind is of another form than items: the product as the public API shows it, without
                 score and reason; [name, category id or null, units in stock or null where they are not counted, cost of a unit
                 or null where it is not known], the second line for the merchant alone

Anchor is a product id for kinds that belong to a product's page, for neighbours and for `product`, a customer id for
references; of rows, which say for themselves what they are about, it may be either; for `popular` it is a category id, or "" for
the whole company. Lists for customers are references, since whole products would be held again and again: 300,000 customers, 20
products each, 300 bytes a product.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

COMPANIES_KEY = "upsell:companies"
CHANGED_CHANNEL = "upsell:changed"
WHOLE_COMPANY = ""
ITEMS, REFERENCES, NEIGHBOURS, ROWS = "items", "references", "neighbours", "rows"
PRODUCT = "product"
SESSION_PRODUCTS = 20
SESSION_MS = 30 * 60 * 1000


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


def session_key(company: str, session: str) -> str:
    """Key of what a live session has viewed."""
    return f"upsell:{quote(company, safe='')}:session:{session}"


def experiments_key(company: str) -> str:
    """Key of the results of the company's experiments."""
    return f"upsell:{quote(company, safe='')}:experiments"


def split_payload(payload: bytes) -> tuple[bytes, bytes]:
    """Products and evidence, each a JSON array, of one stored payload of items."""
    products, _, rest = payload.partition(b"\n")
    return products, rest.partition(b"\n")[0]


def split_extras(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Products, evidence and the object of what stands behind the products (b"" where there is none) of a payload of items."""
    products, _, rest = payload.partition(b"\n")
    evidence, _, extras = rest.partition(b"\n")
    return products, evidence, extras


@dataclass(frozen=True)
class Section:
    """How a kind shows on a product's page: `type` and titles of the contract, the storefront's display settings, the order
    on the page, and the kind whose whole-company payload stands in where an anchor has none.

    extras: names of arrays that stand behind the products, empty where a payload has none: ["bundles"].
    rules: settings that the read API follows and never shows: maxResults (of what stands in, or is put together). Of a section of
    references also titleForGuests, excludeRecentlyViewed (default false), neighbours (the kind, of that form, that ranks a live
    session), lagWeights (of the session's products, the last viewed first), sessionWeight (0..1, the share of a live session in a
    customer's list).
    """

    type: str
    title: str
    position: int
    config: dict[str, Any]
    subtitle: str | None = None
    personalized: bool = False
    enabled: bool = True
    fallback: str | None = None
    extras: list[str] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """One published kind: its name, how many anchors have a list, how many items these have, its section where it has one, and
    the form of its payloads.

    A kind of items with a section also has an empty payload for every page that has no list."""

    kind: str
    n_anchors: int
    n_items: int
    section: Section | None = None
    form: str = ITEMS


@dataclass(frozen=True)
class Manifest:
    """What a generation is: whose, of which watermark (exclusive upper event time, ISO 8601 UTC), with which kinds, counts and
    figures, by which version of the code; `page` is what holds for whole pages: maxSections, currency, timezone. Its bytes are a
    function of the input alone."""

    id: str
    company: str
    watermark: str
    kinds: list[Kind]
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    code_version: str = ""
    page: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, camelCase, UTF-8."""
        document = {
            "id": self.id,
            "company": self.company,
            "watermark": self.watermark,
            "counts": self.counts,
            "figures": self.figures,
            "codeVersion": self.code_version,
            "page": self.page,
            "kinds": [
                {
                    "kind": kind.kind,
                    "nAnchors": kind.n_anchors,
                    "nItems": kind.n_items,
                    "section": vars(kind.section) if kind.section else None,
                    "form": kind.form,
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
                    # a generation that was built before there were forms has items alone
                    form=row.get("form", ITEMS),
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
                page=read.get("page", {}),
            )
        except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"Not a generation manifest ({error!r}).") from error

    @property
    def has_fragments(self) -> bool:
        """Whether each product is published by itself, for the kinds that only name products."""
        return any(kind.form != ITEMS for kind in self.kinds)

    def section(self, kind: str) -> Section | None:
        """The section of `kind`, or None where the generation has no such kind or it shows on no page."""
        return next((row.section for row in self.kinds if row.kind == kind), None)
