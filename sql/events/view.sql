-- dialect: postgres
-- one row per: view of a batch that is not stored yet and whose product is the company's
-- parameters: none
insert into "ProductView" (
    id, "companyId", "productId", "sessionId", "customerId", source, "sourceProductId", "durationSeconds", "viewedAt"
)
select
    e.id, e."companyId", e."productId", e."sessionId", c.id, e.source, e."sourceProductId", e."durationSeconds",
    timestamptz 'epoch' + e.at * interval '1 millisecond'
from event_view e
join "Product" p on p.id = e."productId" and p."companyId" = e."companyId"
left join "Customer" c on c.id = e."customerId" and c."companyId" = e."companyId"
on conflict (id) do nothing;
