"""Carts as the platform keeps them in Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serving.cart_requests import MOST_LINES, CartItem, CartRequest
from serving.errors import ApiError

if TYPE_CHECKING:
    from serving.database import Database, Transaction


async def stored_cart(database: Database | None, request: CartRequest, cart_id: str) -> CartRequest:
    """The request with the lines of the company's own active cart, and with whose it is; without lines for any other cart.

    The cart knows its customer and session better than the query does. Raises ApiError 503 where no database is set, DatabaseAway.
    """
    if database is None:
        detail = "Carts are not read here: no database is set. Send the lines: items=productId:quantity,..."
        raise ApiError(503, "Read only", detail, headers={"retry-after": "60"})

    async def work(transaction: Transaction) -> list[dict[str, Any]]:
        return await transaction.rows("upsell/cart", {"company": request.company, "cart": cart_id, "most": MOST_LINES})

    rows = await database.run(work)
    if not rows:
        return request._replace(items=())
    return request._replace(
        items=tuple([CartItem(row["productId"], row["quantity"], row["unitPrice"]) for row in rows]),
        customer=rows[0]["customerId"] or request.customer,
        session=rows[0]["sessionToken"] or request.session,
        first_name=rows[0]["firstName"] or "",
    )
