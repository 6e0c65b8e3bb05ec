-- dialect: postgres
-- one row per: line of an order that this load created
-- parameters: company
insert into "OrderItem" (id, "orderId", "productId", sku, name, quantity, "unitPrice", "totalPrice", "createdAt")
select
    s.line::text, %(company)s || ':' || s.order_id, s.product_id, p.sku, p.name, s.quantity, s.unit_cents::numeric / 100,
    (s.unit_cents * s.quantity)::numeric / 100, s.ordered_at
from staged_order_item s
join "Product" p on p."companyId" = %(company)s and p.id = s.product_id;
