-- dialect: postgres
-- one row per: stored order of which cancellations took a part
-- parameters: none
update "Order" o
set subtotal = t.total, total = t.total - o."discountAmount", "updatedAt" = current_timestamp
from (
    select i."orderId" as order_id, sum(i."totalPrice") as total
    from "OrderItem" i
    where i."orderId" in (select order_id from staged_line_left)
    group by i."orderId"
) as t
where o.id = t.order_id and o.status <> 'CANCELED';
