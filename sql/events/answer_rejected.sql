-- dialect: postgres
-- one row per: acceptance, refusal or click of a batch whose impression is not stored
-- parameters: none
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
select e.id, e.kind, e."companyId", e.event, 'The impression is not stored: its rule was deleted, or it was rejected itself.'
from (
    select a.id, 'accept' as kind, a."companyId", to_jsonb(a) as event from event_accept a
    union all
    select d.id, 'decline', d."companyId", to_jsonb(d) from event_decline d
    union all
    select u.id, 'upsell-click', u."companyId", to_jsonb(u) from event_upsell_click u
) e
where not exists (select from "UpsellImpression" i where i.id = e.id and i."companyId" = e."companyId")
on conflict (id, kind) do nothing;
