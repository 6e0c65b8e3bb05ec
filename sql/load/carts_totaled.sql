-- dialect: postgres
-- one row per: cart whose items are in the file
-- parameters: none
update "Cart" c
set subtotal = t.total, "grandTotal" = t.total, "itemCount" = t.n_units
from (
    select i."cartId" as cart_id, sum(i."lineTotal") as total, sum(i.quantity) as n_units
    from "CartItem" i
    where i."cartId" in (select cart_id from staged_cart_item)
    group by i."cartId"
) as t
where c.id = t.cart_id and (c.subtotal, c."itemCount") is distinct from (t.total, t.n_units);
