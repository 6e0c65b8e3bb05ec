-- dialect: postgres
-- one row per: view of the file that the database does not have yet
-- parameters: company
--
-- The id is made of what was seen, by whom and when; `occurrence` tells repeats within one instant apart.
insert into "ProductView" (
    id, "productId", "companyId", "sessionId", "customerId", source, "sourceProductId", "durationSeconds", "viewedAt",
    "createdAt", "updatedAt"
)
select
    md5(row(
        %(company)s::text, s.session_id, s.product_id, (extract(epoch from s.viewed_at) * 1000)::bigint, s.occurrence
    )::text),
    s.product_id, %(company)s, s.session_id, s.customer_id, s.source, s.source_product_id, s.duration_seconds,
    s.viewed_at, s.viewed_at, s.viewed_at
from staged_view s
on conflict (id) do nothing;
