"""Files that cannot be loaded: one sentence each, before anything is written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.errors import LoadError
from flows.load_read import open_source, quarantine, read

ORDERS = pl.DataFrame({"order_id": ["1"], "product_id": ["p"], "quantity": [1], "ordered_at": ["2024-01-01"]})


def refused(kind: str, path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(LoadError) as error:
        read(open_source(kind, path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_or_empty_file(tmp_path: Path) -> None:
    """A path without a file, a folder and a file of no bytes are named."""
    (tmp_path / "empty.csv").touch()
    assert "is not there" in refused("orders", tmp_path / "gone.csv")
    assert "is not there" in refused("orders", tmp_path)
    assert "is empty" in refused("orders", tmp_path / "empty.csv")


def test_an_unreadable_parquet(tmp_path: Path) -> None:
    """A truncated Parquet file, one that only bears the name, and one with damaged pages cannot be read."""
    good = tmp_path / "good.parquet"
    pl.concat([ORDERS] * 5_000).with_columns(order_id=pl.int_range(pl.len()).cast(pl.String)).write_parquet(good)
    content = good.read_bytes()
    for name, damaged in {"cut": content[: len(content) // 2], "text": b"order_id,product_id\n"}.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(damaged)
        assert "cannot be read" in refused("orders", path)
    pages = tmp_path / "pages.parquet"
    pages.write_bytes(content[:40] + bytes(200) + content[240:])
    assert "cannot be read" in refused("orders", pages)


def test_a_missing_column_names_what_was_expected(tmp_path: Path) -> None:
    """The sentence has the file, the column, what it should hold and the columns that are there."""
    path = tmp_path / "orders.csv"
    ORDERS.drop("quantity").write_csv(path)
    told = refused("orders", path)
    assert "lacks the column quantity (whole numbers)" in told and "order_id, product_id, ordered_at" in told


@pytest.mark.parametrize(
    ("column", "values"), [("ordered_at", [1.5]), ("quantity", [True]), ("product_id", [["p"]]), ("ordered_at", [{"a": 1}])]
)
def test_a_column_of_another_type(tmp_path: Path, column: str, values: list[object]) -> None:
    """A column whose type can never be that of its kind refuses the file, not each row of it."""
    path = tmp_path / "orders.parquet"
    ORDERS.with_columns(pl.Series(column, values)).write_parquet(path)
    assert f"has the column {column} as" in refused("orders", path)


def test_csv_and_parquet_read_alike(tmp_path: Path) -> None:
    """The same table as CSV and as typed Parquet gives the same rows; columns that nobody asked for are named."""
    frame = ORDERS.with_columns(unit_price=pl.lit(2.5), colour=pl.lit("red"))
    frame.write_csv(tmp_path / "orders.csv")
    frame.write_parquet(tmp_path / "orders.parquet")
    one, other = (open_source("orders", tmp_path / f"orders.{suffix}") for suffix in ("csv", "parquet"))
    assert read(one).frame.equals(read(other).frame)
    assert one.ignored == other.ignored == ["colour"]


def test_rejected_rows_keep_their_own_columns(tmp_path: Path) -> None:
    """The quarantine file has the rows as they stood, with the first reason found; without any row there is no file."""
    path = tmp_path / "orders.csv"
    path.write_text("order_id,product_id,quantity,ordered_at,reason\n1,,1,2024-01-01,none\n2,p,1.5,never,mine\n3,p,1,2024-01-01,\n")
    source = open_source("orders", path)
    rows = read(source)
    kept = quarantine(source, rows, tmp_path / "quarantine")
    assert kept is not None
    frame = pl.read_parquet(kept)
    assert frame.columns == ["order_id", "product_id", "quantity", "ordered_at", "reason", "reason_of_quarantine"]
    assert frame["reason_of_quarantine"].to_list() == [
        "product_id is missing",
        "quantity is not a whole number up to 1,000,000,000",
    ]
    assert rows.by_reason() == dict.fromkeys(frame["reason_of_quarantine"], 1)
    rows.rejected.clear()
    assert quarantine(source, rows, tmp_path / "quarantine") is None and not kept.exists()
