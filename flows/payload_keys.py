"""A built generation's frames -> the keys and payloads that Redis holds of it, and the same keys again when it is retired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, pairwise

import polars as pl

from models.generation import ITEMS, PRODUCT, REFERENCES, ROWS, Kind, Manifest, payload_prefix
from models.payloads import bundle_extras, payloads, product_fragments, product_payloads, references, rows
from models.recommenders import COLUMNS

CHUNK_ROWS = 100_000
BUNDLES = "bundles"

# a built generation's frame by name: `products`, a kind, or `{kind}.bundles`
Read = Callable[[str], pl.DataFrame]


def n_payloads(manifest: Manifest, read: Read) -> int:
    """How many payloads a generation has: one per anchor, per page for a kind of items with a section, and per product."""
    n_pages = read("products").filter("is_shown").height
    of_kinds = sum(n_pages if _on_pages(kind) else kind.n_anchors for kind in manifest.kinds)
    return of_kinds + (n_pages if manifest.has_fragments else 0)


def all_payloads(manifest: Manifest, read: Read) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every payload, in pieces: what stands before the anchor in their keys, and anchor_id with payload (bytes)."""
    shown = read("products").filter("is_shown")
    fragments = product_fragments(shown)
    if manifest.has_fragments:
        prefix = payload_prefix(manifest.company, manifest.id, PRODUCT)
        yield from ((prefix, product_payloads(some, fragments)) for some in shown.iter_slices(CHUNK_ROWS))
    for kind in manifest.kinds:
        prefix = payload_prefix(manifest.company, manifest.id, kind.kind)
        frame = read(kind.kind)
        make = _maker(read, kind, frame, fragments)
        empty = _empty_pages(kind, frame, shown).with_columns(pl.lit(b"[]\n[]").alias("payload"))
        for pairs in chain(_ahead(make, _whole_anchors(frame)), [empty]):
            yield prefix, pairs


def all_keys(manifest: Manifest, read: Read) -> Iterator[str]:
    """The keys of `all_payloads`."""
    shown = read("products").filter("is_shown")
    if manifest.has_fragments:
        yield from _keys(manifest, PRODUCT, shown["product_id"])
    for kind in manifest.kinds:
        frame = read(kind.kind).select("anchor_id").unique()
        yield from _keys(manifest, kind.kind, chain(frame["anchor_id"], _empty_pages(kind, frame, shown)["anchor_id"]))


def _keys(manifest: Manifest, kind: str, anchors: Iterator[str] | pl.Series) -> Iterator[str]:
    prefix = payload_prefix(manifest.company, manifest.id, kind)
    return (prefix + anchor for anchor in anchors)


def _maker(read: Read, kind: Kind, frame: pl.DataFrame, fragments: pl.DataFrame) -> Callable[[pl.DataFrame], pl.DataFrame]:
    evidence = tuple(name for name in frame.columns if name not in COLUMNS)
    if kind.form == ROWS:
        return partial(rows, evidence=evidence)
    if kind.form != ITEMS:
        return partial(references, reasons=kind.form == REFERENCES)
    extras = None
    if kind.section and BUNDLES in kind.section.extras:
        bundles = read(f"{kind.kind}.{BUNDLES}")
        extras = bundle_extras(bundles, fragments, frame)
    return partial(payloads, fragments=fragments, evidence=evidence, extras=extras)


def _on_pages(kind: Kind) -> bool:
    return kind.section is not None and kind.form == ITEMS


def _empty_pages(kind: Kind, frame: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Pages (anchor_id) that have no list of their own: every page has a payload, so that Redis can be counted against the
    catalogue. The read API falls back for them, less the page's own product."""
    pages = shown.filter(pl.lit(_on_pages(kind))).select(pl.col("product_id").alias("anchor_id"))
    return pages.join(frame, on="anchor_id", how="anti")


def _whole_anchors(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The frame in pieces of about CHUNK_ROWS rows, no anchor divided: a large shop's payloads never lie in memory at once."""
    ordered = frame.sort("anchor_id", "rank")
    starts = ordered.select(pl.arg_where(pl.col("anchor_id").ne_missing(pl.col("anchor_id").shift(1)))).to_series()
    cuts = [*starts.filter(starts // CHUNK_ROWS != (starts // CHUNK_ROWS).shift(1)), ordered.height]
    return (ordered.slice(start, end - start) for start, end in pairwise([0, *cuts]) if end > start)


def _ahead(make: Callable[[pl.DataFrame], pl.DataFrame], pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """`make` of every piece, the next one in a thread while the caller works on the last."""
    with ThreadPoolExecutor(1) as maker:
        pending: Future[pl.DataFrame] | None = None
        for piece in pieces:
            done, pending = pending, maker.submit(make, piece)
            if done is not None:
                yield done.result()
        if pending is not None:
            yield pending.result()
