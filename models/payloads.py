"""RECOMMENDATIONS frames to payload bytes: JSON is built once, when it is published, never while it is read.

Everything is string work on whole columns; no Python object is made per item (methods.md, 9).
"""

from __future__ import annotations

import polars as pl
import polars.selectors as cs


def payloads(
    frame: pl.DataFrame, fragments: pl.DataFrame, evidence: tuple[str, ...], extras: pl.DataFrame | None = None
) -> pl.DataFrame:
    """anchor_id and payload (bytes: lines of JSON, products, evidence and extras; see models/generation.py), by anchor_id.

    frame: whole anchors of a RECOMMENDATIONS frame; fragments: of `product_fragments`; evidence: the kind's evidence columns;
    extras: of `bundle_extras`, a third line for the anchors that it has, the others have two.
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
    line = pl.format("[{}]\n[{}]", "item", "evidence")
    if extras is not None:
        joined = joined.join(extras, on="anchor_id", how="left", maintain_order="left")
        line += pl.format("\n{}", "extras").fill_null("")
    return joined.select("anchor_id", line.cast(pl.Binary).alias("payload"))


def references(frame: pl.DataFrame, *, reasons: bool) -> pl.DataFrame:
    """anchor_id and payload (bytes: one line of JSON, product ids with score and, if asked for, reason), by anchor_id.

    frame: whole anchors of a RECOMMENDATIONS frame. Its evidence is not published: it would be most of the bytes.
    """
    reason = pl.lit(",") + _text("reason") if reasons else pl.lit("")
    item = pl.format("[{},{}{}]", _text("product_id"), _number("score"), reason)
    lines = frame.sort("anchor_id", "rank").select("anchor_id", item.alias("item")).group_by("anchor_id", maintain_order=True)
    return lines.agg("item").select("anchor_id", pl.format("[{}]", pl.col("item").list.join(",")).cast(pl.Binary).alias("payload"))


def rows(frame: pl.DataFrame, evidence: tuple[str, ...]) -> pl.DataFrame:
    """anchor_id and payload (bytes: one line of JSON, an object per row with productId, score and the `evidence` columns), by
    anchor_id; instants and days as ISO 8601 text.

    frame: whole anchors of a frame of rows.
    """
    columns = ("product_id", "score", "source", "reason", *evidence)
    dated = frame.with_columns(cs.datetime().dt.to_string("iso:strict"), cs.date().dt.to_string("iso")).sort("anchor_id", "rank")
    objects = pl.struct(pl.col(name).alias(_camel(name)) for name in columns).struct.json_encode()
    lines = dated.select("anchor_id", objects.alias("item")).group_by("anchor_id", maintain_order=True)
    return lines.agg("item").select("anchor_id", pl.format("[{}]", pl.col("item").list.join(",")).cast(pl.Binary).alias("payload"))


def product_payloads(products: pl.DataFrame, fragments: pl.DataFrame) -> pl.DataFrame:
    """anchor_id (the product) and payload (bytes: the product without score and reason; its name, its category's id, its stock
    and what a unit costs the merchant, a number with two decimals).

    products: of Features; fragments: of `product_fragments`.
    """
    category = _text("category_id") if "category_id" in products.columns else pl.lit(None, dtype=pl.String)
    stock = pl.col("stock").cast(pl.String) if "stock" in products.columns else pl.lit(None, dtype=pl.String)
    cost = _amount("cost_cents").fill_null("null")
    facts = (_text("name").fill_null('""'), category.fill_null("null"), stock.fill_null("null"), cost)
    described = pl.concat_str(*facts, separator=",")
    line = pl.concat_str("fragment", pl.lit("}\n["), described, pl.lit("]"))
    named = products.join(fragments, on="product_id", how="left", maintain_order="left")
    return named.select(pl.col("product_id").alias("anchor_id"), line.cast(pl.Binary).alias("payload"))


def bundle_extras(bundles: pl.DataFrame, fragments: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """anchor_id and extras (a JSON object, {"bundles": [...]}, as the section shows them, best first), by anchor_id.

    bundles: anchor_id, bundle_rank, product_ids (the page's own first), co_view_frequency, conversion_lift (null where the data do
    not carry it), individual_cents, bundle_cents, savings_cents, discount_percent; fragments: of `product_fragments`; frame: the
    kind's RECOMMENDATIONS, which give a bundle's products score and reason.
    """
    one = ["anchor_id", "bundle_rank"]
    parts = bundles.select(*one, pl.col("product_ids").alias("product_id")).explode("product_id")
    listed = frame.select("anchor_id", "product_id", "score", "reason")
    parts = parts.join(fragments, on="product_id", how="left", maintain_order="left")
    parts = parts.join(listed, on=["anchor_id", "product_id"], how="left", maintain_order="left")
    own = pl.col("product_id") == pl.col("anchor_id")
    score = pl.when(own).then(pl.lit("1.0")).otherwise(_number("score").fill_null("0.0"))
    reason = pl.when(own).then(pl.lit('"This product"')).otherwise(_text("reason").fill_null('"Viewed together"'))
    item = pl.concat_str("fragment", pl.lit(',"score":'), score, pl.lit(',"reason":'), reason, pl.lit("}"))
    products = parts.group_by(one, maintain_order=True).agg(item.alias("item")).with_columns(pl.col("item").list.join(","))
    fields = [
        pl.concat_str(pl.lit('{"products":['), "item", pl.lit("]")),
        pl.lit(',"coViewFrequency":') + _number("co_view_frequency"),
        pl.lit(',"conversionLift":') + _number("conversion_lift"),
        pl.lit(',"individualTotal":') + _amount("individual_cents"),
        pl.lit(',"bundlePrice":') + _amount("bundle_cents"),
        pl.lit(',"savings":') + _amount("savings_cents"),
        pl.lit(',"discountPercent":') + _number("discount_percent"),
        pl.lit("}"),
    ]
    bundle = pl.concat_str([part.fill_null("") for part in fields])
    lines = bundles.join(products, on=one).sort(one).select("anchor_id", bundle.alias("bundle"))
    joined = lines.group_by("anchor_id", maintain_order=True).agg("bundle")
    return joined.select(
        "anchor_id", pl.concat_str(pl.lit('{"bundles":['), pl.col("bundle").list.join(","), pl.lit("]}")).alias("extras")
    )


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
        fields.append(pl.lit(f',"{_camel(column)}":') + _number(column))
    listed = pl.concat_str([field.fill_null("") for field in fields])
    return pl.lit("{") + listed.str.strip_prefix(",") + pl.lit("}")


def _camel(column: str) -> str:
    name, *rest = column.split("_")
    return name + "".join(word.capitalize() for word in rest)


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
