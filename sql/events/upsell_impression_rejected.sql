-- dialect: postgres
-- one row per: impression of an offer in a batch that cannot be stored
-- parameters: none
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
select e.id, 'upsell-impression', e."companyId", to_jsonb(e), 'The rule is none of the company, or not any more.'
from event_upsell_impression e
where not exists (select from "UpsellTargetingRule" r where r.id = e."ruleId" and r."companyId" = e."companyId")
on conflict (id, kind) do nothing;
