-- dialect: postgres
-- one row per: order line that counts as a purchase, of orders placed in [start, until)
-- parameters: company, start, until
--
-- A refunded or canceled order counts for nothing, nor does a sandbox order. Amounts leave as whole cents: no float may
-- hold money on its way. NaN, which numeric allows, leaves as null and is quarantined later.
select
    o.id as order_id,
    o."customerId" as customer_id,
    i."productId" as product_id,
    i.quantity::bigint as quantity,
    (nullif(i."unitPrice", 'NaN') * 100)::bigint as unit_price_cents,
    o."orderedAt" as ordered_at
from "Order" o
join "OrderItem" i on i."orderId" = o.id
where
    o."companyId" = %(company)s
    and o."orderedAt" >= %(start)s
    and o."orderedAt" < %(until)s
    and o."deletedAt" is null
    and o.environment::text = 'production'
    and o.status::text in ('CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED')
