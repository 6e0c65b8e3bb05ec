-- dialect: postgres
-- one row per: stored line that a cancellation takes units from
-- parameters: none
update "OrderItem" i
set quantity = s.remaining, "totalPrice" = i."unitPrice" * s.remaining
from staged_line_left s
join "Order" o on o.id = s.order_id
where s.remaining > 0 and i."orderId" = s.order_id and i.id = s.line and o.status <> 'CANCELED';
