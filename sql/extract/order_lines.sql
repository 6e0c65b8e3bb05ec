-- dialect: postgres
-- one row per: order placed in [start, until) that counts as a purchase, then one per line of them; a line has no order_id
-- parameters: company, start, until
--
-- A refunded or canceled order counts for nothing, nor does a sandbox order. Amounts leave as whole cents: no float may
-- hold money on its way. NaN, which numeric allows, leaves as null and is quarantined later.
-- An order's own columns leave once, not with each of its lines, which name it by its place among the orders: sending them
-- again and again was measured to cost a third of the reading. flows/order_lines.py puts them together.
with placed as (
    select
        row_number() over (order by "orderedAt", id collate "C") as order_number,
        id,
        "customerId",
        "orderedAt"
    from "Order"
    where
        "companyId" = %(company)s
        and "orderedAt" >= %(start)s
        and "orderedAt" < %(until)s
        and "deletedAt" is null
        and environment::text = 'production'
        and status::text in ('CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED')
)
select
    order_number,
    id as order_id,
    "customerId" as customer_id,
    "orderedAt" as ordered_at,
    null as product_id,
    null::bigint as quantity,
    null::bigint as unit_price_cents
from placed
union all
select
    p.order_number,
    null,
    null,
    null,
    i."productId",
    i.quantity::bigint,
    (nullif(i."unitPrice", 'NaN') * 100)::bigint
from placed p
join "OrderItem" i on i."orderId" = p.id
