"""RECOMMENDATIONS frames to payload bytes: JSON is built once, when it is published, never while it is read.

Everything is string work on whole columns; no Python object is made per item (methods.md, 9).
"""

from __future__ import annotations

import polars as pl


def payloads(frame: pl.DataFrame, fragments: pl.DataFrame, evidence: tuple[str, ...]) -> pl.DataFrame:
    """anchor_id and payload (bytes: two lines of JSON, products and evidence; see models/generation.py), by anchor_id.

    frame: whole anchors of a RECOMMENDATIONS frame; fragments: of `product_fragments`; evidence: the kind's evidence columns.
    """
    shown = frame.join(fragments, on="product_id", how="left", maintain_order="left")
    count = pl.format(',"coOccurrenceCount":{}', "n_xy") if "n_xy" in frame.columns else pl.lit(None, dtype=pl.String)
    item = pl.concat_str(
        "fragment",
        pl.format(',"score":{},"reason":', _number("score")),
        _text("reason"),
        count.fill_null(""),
        pl.lit("}"),
    )
    shown = shown.select("anchor_id", "rank", item.alias("item"), _evidence(evidence).alias("evidence"))
    lines = shown.sort("anchor_id", "rank").group_by("anchor_id", maintain_order=True)
    # joining lists is four times as fast as joining strings while grouping
    joined = lines.agg("item", "evidence").with_columns(pl.col("item", "evidence").list.join(","))
    return joined.select("anchor_id", pl.format("[{}]\n[{}]", "item", "evidence").cast(pl.Binary).alias("payload"))


def product_fragments(products: pl.DataFrame) -> pl.DataFrame:
    """product_id and the open JSON object of what the public page shows of a product, without score and reason."""
    parts = [
        pl.lit('{"id":') + _text("product_id"),
        pl.lit(',"name":') + _text("name"),
        pl.lit(',"slug":') + _text("slug"),
        pl.lit(',"price":') + _amount("price_cents").fill_null("null"),
        pl.lit(',"compareAtPrice":') + _amount("compare_at_cents"),
        pl.lit(',"imageUrl":') + _text("image_url"),
        pl.lit(',"averageRating":') + _number("average_rating"),
        pl.lit(',"reviewCount":') + pl.col("n_reviews").cast(pl.String),
        pl.lit(',"inStock":') + pl.col("in_stock").cast(pl.String),
        pl.lit(',"category":') + _text("category"),
    ]
    return products.select("product_id", pl.concat_str([part.fill_null("") for part in parts]).alias("fragment"))


def _evidence(columns: tuple[str, ...]) -> pl.Expr:
    fields = [pl.lit(',"source":') + _text("source")]
    for column in columns:
        name, *rest = column.split("_")
        key = name + "".join(word.capitalize() for word in rest)
        fields.append(pl.lit(f',"{key}":') + _number(column))
    listed = pl.concat_str([field.fill_null("") for field in fields])
    return pl.lit("{") + listed.str.strip_prefix(",") + pl.lit("}")


def _text(column: str) -> pl.Expr:
    """A JSON string with its quotes; null where the column is null."""
    encoded = pl.struct(pl.col(column).alias("v")).struct.json_encode()
    quoted = encoded.str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(pl.col(column).is_not_null()).then(quoted)


def _number(column: str) -> pl.Expr:
    """A JSON number; null for NaN and the infinities, which JSON does not know."""
    return pl.when(pl.col(column).is_finite()).then(pl.col(column).cast(pl.String))


def _amount(column: str) -> pl.Expr:
    """Whole cents as a JSON number with two decimals: 255 -> 2.55, 5 -> 0.05; null for a negative price, which is none."""
    cents = pl.when(pl.col(column) >= 0).then(pl.col(column))
    return pl.format("{}.{}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2))
