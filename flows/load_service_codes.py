"""Codes that stand on order lines but are no products: postage, fees, discounts, adjustments, vouchers, stock notes.

A long code is a service wherever it stands. A short one (a shop may well sell products "S" and "M") is a service only
where its title says so, or where its title is not known and the same file also holds a long code. Upper and lower case
are the same. A title is read as a whole, so "Vintage postage stamps" and "Carriage clock" stay products.
"""

from __future__ import annotations

import polars as pl

LONG_CODES = (
    "POST",  # postage
    "DOT",  # postage of the web shop
    "BANK CHARGES",
    "AMAZONFEE",
    "CRUK",  # commission to a charity
)
LONG_CODE_PREFIXES = ("GIFT_0001_",)  # vouchers, one code per amount
SHORT_CODES = (
    "M",  # manual entry
    "D",  # discount
    "S",  # samples
    "B",  # bad debt
    "C2",  # carriage
)
TITLES = (
    r"(dotcom )?postage( (&|and) packing)?",
    r"manual( entry)?",
    r"bank charges?",
    r"(next day )?carriage",
    r"discounts?",
    r"samples?",
    r"amazon ?fees?",
    r"([a-z]+ )?commission",
    r"(adjust )?bad debt( adjustment)?",
    r".*\bgift voucher\b.*",
    # what a warehouse notes in place of a title
    r"ebay",
    r"adjustment",
    r"damage[sd]?",
    r"throw[n]? away.*",
    r"unsaleable.*",
)
REASON = "service code, no product"


def is_service(product_id: pl.Expr, title: pl.Expr, *, beside_long_code: bool) -> pl.Expr:
    """Whether a row is a service: true, false; a null title is one that is not known."""
    code = product_id.str.to_uppercase()
    known_title = title.str.contains(f"(?i)^({'|'.join(TITLES)})$")
    short = code.is_in(SHORT_CODES) & title.is_null() & beside_long_code
    return is_long_code(product_id) | known_title.fill_null(False) | short


def is_long_code(product_id: pl.Expr) -> pl.Expr:
    """Whether an id is a service code whatever else is known."""
    code = product_id.str.to_uppercase()
    starts = [code.str.starts_with(prefix) for prefix in LONG_CODE_PREFIXES]
    return pl.any_horizontal(code.is_in(LONG_CODES), *starts)
