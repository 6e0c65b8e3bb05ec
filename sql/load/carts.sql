-- dialect: postgres
-- one row per: cart of the file that is new or differs from what is stored
-- parameters: company
insert into "Cart" (id, "companyId", "customerId", "sessionToken", status, currency, "orderId", "updatedAt")
select
    %(company)s || ':' || s.cart_id, %(company)s, s.customer_id, s.session_id, s.status, c.currency,
    %(company)s || ':' || s.order_id, s.updated_at
from staged_cart s
join "Company" c on c.id = %(company)s
order by s.cart_id
on conflict (id) do update set
    "customerId" = excluded."customerId", "sessionToken" = excluded."sessionToken", status = excluded.status,
    "orderId" = excluded."orderId", "updatedAt" = excluded."updatedAt"
where (excluded."customerId", excluded."sessionToken", excluded.status, excluded."orderId", excluded."updatedAt")
    is distinct from ("Cart"."customerId", "Cart"."sessionToken", "Cart".status, "Cart"."orderId", "Cart"."updatedAt");
