-- dialect: postgres
-- one row per: stored line that a cancellation takes away whole
-- parameters: none
delete from "OrderItem" i
using staged_line_left s, "Order" o
where s.remaining = 0 and i."orderId" = s.order_id and i.id = s.line and o.id = s.order_id and o.status <> 'CANCELED';
