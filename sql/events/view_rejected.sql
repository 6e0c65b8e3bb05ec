-- dialect: postgres
-- one row per: view of a batch that cannot be stored
-- parameters: none
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
select e.id, 'view', e."companyId", to_jsonb(e), 'The product is none of the company, or not any more.'
from event_view e
where not exists (select from "Product" p where p.id = e."productId" and p."companyId" = e."companyId")
on conflict (id, kind) do nothing;
