-- dialect: postgres
-- one row per: stored order line that a staged cancellation may cancel
-- parameters: company
with buyer as (
    select distinct customer_id, product_id from staged_cancellation
)
select
    i."orderId" as order_id, i.id as line, o."customerId" as customer_id, i."productId" as product_id,
    i."createdAt" at time zone 'UTC' as ordered_at, i.quantity::bigint as quantity
from buyer b
join "Order" o on o."companyId" = %(company)s and o."customerId" = b.customer_id
join "OrderItem" i on i."orderId" = o.id and i."productId" = b.product_id
where o.status not in ('CANCELED', 'REFUNDED') and o."deletedAt" is null and i.quantity > 0
order by i."orderId", i.id;
