-- dialect: postgres
-- one row per: click or product put into the cart, of a batch, whose impression and page's product are not stored
-- parameters: none
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
select e.id, e.kind, e."companyId", e.event, 'The page''s product is none of the company, or not any more.'
from (
    select c.id, 'click' as kind, c."companyId", c."productId", to_jsonb(c) as event from event_click c
    union all
    select a.id, 'add-to-cart', a."companyId", a."productId", to_jsonb(a) from event_add_to_cart a
) e
where
    not exists (select from "Product" p where p.id = e."productId" and p."companyId" = e."companyId")
    and not exists (select from "RecommendationImpression" i where i.id = e.id and i."companyId" = e."companyId")
on conflict (id, kind) do nothing;
