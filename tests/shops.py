"""Small shops for tests, written straight into the platform's tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql as psycopg_sql

from flows.connections import Connection, postgres
from flows.settings import Settings

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


def insert(connection: Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows given as column -> value; all rows have the first one's columns."""
    rows = list(rows)
    if not rows:
        return
    statement = psycopg_sql.SQL("insert into {} ({}) values ({})").format(
        psycopg_sql.Identifier(table),
        psycopg_sql.SQL(", ").join(map(psycopg_sql.Identifier, rows[0])),
        psycopg_sql.SQL(", ").join(psycopg_sql.Placeholder() * len(rows[0])),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [list(row.values()) for row in rows])


def make_shop(settings: Settings, company: str, baskets: list[str], *, at: datetime = DAY, days_apart: float = 1.0) -> None:
    """A shop whose orders are `baskets`, each a string of one-letter product ids, the last one placed at `at`.

    Product ids are `{company}-{letter}`, all cost 10.00.
    """
    letters = sorted(set("".join(baskets)))
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": company, "name": company, "slug": company}])
        products = [(f"{company}-{letter}", f"Product {letter}") for letter in letters]
        insert(
            connection,
            "Product",
            [{"id": id, "companyId": company, "name": name, "slug": id.lower(), "price": "10.00"} for id, name in products],
        )
        for number, basket in enumerate(baskets):
            placed = at - timedelta(days=days_apart * (len(baskets) - 1 - number))
            add_order(connection, company, f"{company}-order-{number:04}", [f"{company}-{letter}" for letter in basket], placed)


def add_order(
    connection: Connection, company: str, order_id: str, products: list[str | None], at: datetime, **columns: Any
) -> None:
    """One order with one unit of each product; `columns` overrides columns of the order."""
    order = {"id": order_id, "companyId": company, "orderedAt": at, "updatedAt": at, **columns}
    insert(connection, "Order", [order])
    lines = [
        {"id": f"{order_id}-{number}", "orderId": order_id, "productId": product, "quantity": 1, "unitPrice": "10.00"}
        for number, product in enumerate(products)
    ]
    insert(connection, "OrderItem", lines)
