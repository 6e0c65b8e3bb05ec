-- dialect: postgres
-- one row per: item of the file that its cart does not have yet
-- parameters: company
insert into "CartItem" (id, "cartId", "productId", quantity, "unitPrice", "lineTotal")
select
    s.occurrence::text, s.cart_id, s.product_id, s.quantity, coalesce(s.unit_cents::numeric / 100, p.price, 0),
    coalesce(s.unit_cents::numeric / 100, p.price, 0) * s.quantity
from staged_cart_item s
join "Product" p on p."companyId" = %(company)s and p.id = s.product_id
order by s.cart_id, s.occurrence
on conflict ("cartId", id) do nothing;
