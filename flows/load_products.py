"""Products: the file's rows, those that only orders or views know, and which ids are services and no products."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from flows.load_read import ROW, Rows
from flows.load_service_codes import REASON, is_long_code, is_service
from flows.load_target import Target

CATALOGUE = {"product_id": pl.String, "price_cents": pl.Int64}
TITLES = {"product_id": pl.String, "title": pl.String}


@dataclass
class Catalogue:
    """What a load knows about product ids beside the database: the titles of its own products file."""

    titles: pl.DataFrame


def load_products(target: Target, rows: Rows, catalogue: Catalogue) -> tuple[int, int]:
    """Store a products file; returns how many rows changed something and how many were there already."""
    catalogue.titles = (
        rows.frame.select(*TITLES)
        .filter(pl.col("title").is_not_null())
        .sort("product_id", "title")
        .unique("product_id", keep="first")
    )
    reject_services(target, rows, catalogue, known_count=False)
    keep_first(rows, "product_id")
    frame = rows.frame.with_columns(
        category_slug=pl.coalesce(slug(pl.col("category")), pl.col("category")),
        slug=pl.coalesce(slug(pl.col("title")), "product_id"),
    )
    suffix = pl.format("-{}", "product_id")
    # all that share a slug get a suffix, so the order of rows does not matter; ids may differ in case alone
    frame = frame.with_columns(slug=pl.when(pl.len().over("slug") > 1).then(pl.col("slug") + suffix).otherwise(pl.col("slug")))
    columns = ["product_id", "title", "category", "category_slug", "slug", price("price"), price("cost")]
    target.copy("staged_product", frame.select(columns))
    target.run("products_fresh")
    target.run("categories")
    changed = target.run("products")
    target.run("product_categories_left")
    changed = max(changed, target.run("product_categories"))
    return changed, frame.height - changed


def reject_services(target: Target, rows: Rows, catalogue: Catalogue, *, known_count: bool = True) -> None:
    """Reject the rows whose product_id is a service code; what the company sells already is none."""
    ids = rows.frame.select("product_id").unique()
    if known_count:
        ids = ids.join(target.ask("products_there", CATALOGUE), on="product_id", how="anti")
    ids = ids.join(catalogue.titles, on="product_id", how="left")
    dialect = pl.concat([ids["product_id"], catalogue.titles["product_id"]]).to_frame()
    beside = bool(dialect.select(is_long_code(pl.col("product_id")).any()).item())
    services = ids.filter(is_service(pl.col("product_id"), pl.col("title"), beside_long_code=beside))
    if services.height:
        rows.reject(pl.col("product_id").is_in(services["product_id"].implode()), REASON)


def seen(target: Target, facts: pl.DataFrame) -> None:
    """Make sure that products of events exist: product_id, first_at, price_cents (null where no price was paid)."""
    target.copy("staged_seen_product", facts.select("product_id", "first_at", "price_cents").sort("product_id"))
    target.run("products_seen")
    target.run("products_dated")
    target.run("products_priced")


def priced(target: Target, rows: Rows) -> None:
    """Give rows without unit_price the product's price, 0 where that is not known either."""
    if rows.frame["unit_price"].null_count():
        known = target.ask("products_there", CATALOGUE)
        joined = rows.frame.join(known, on="product_id", how="left", maintain_order="left")
        rows.frame = joined.with_columns(pl.coalesce("unit_price", "price_cents", 0).alias("unit_price")).drop("price_cents")


def keep_first(rows: Rows, key: str) -> None:
    """Reject all rows but one of each key: the first in the order of all columns, so that row order does not matter."""
    if rows.frame[key].n_unique() < rows.frame.height:
        ordered = rows.frame.sort(pl.exclude(ROW), nulls_last=True)
        first = ordered.unique(key, keep="first", maintain_order=True)[ROW]
        rows.reject(~pl.col(ROW).is_in(first.implode()), f"another row has the same {key}")


def price(column: str) -> pl.Expr:
    """An amount under the name that the staging tables have for it."""
    return pl.col(column).alias(f"{column}_cents")


def slug(text: pl.Expr) -> pl.Expr:
    """Lower-case words joined by hyphens; null where nothing is left."""
    words = text.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "-").str.strip_chars("-")
    return pl.when(words != "").then(words)
