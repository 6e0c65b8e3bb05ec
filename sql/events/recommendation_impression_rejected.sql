-- dialect: postgres
-- one row per: impression of a list in a batch that cannot be stored
-- parameters: none
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
select e.id, 'recommendation-impression', e."companyId", to_jsonb(e), 'The page''s product is none of the company, or not any more.'
from event_recommendation_impression e
where not exists (select from "Product" p where p.id = e."productId" and p."companyId" = e."companyId")
on conflict (id, kind) do nothing;
