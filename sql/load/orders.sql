-- dialect: postgres
-- one row per: order of the file that the database does not have yet
-- parameters: company
--
-- updatedAt is the order's own instant, not the clock's: the same file gives the same rows on any day.
insert into "Order" (
    id, "companyId", "customerId", status, subtotal, total, currency, environment, "orderedAt", "updatedAt"
)
select
    %(company)s || ':' || s.order_id, %(company)s, s.customer_id, s.status, s.total_cents::numeric / 100,
    s.total_cents::numeric / 100, c.currency, s.environment, s.ordered_at, s.ordered_at
from staged_order s
join "Company" c on c.id = %(company)s
on conflict (id) do nothing;
