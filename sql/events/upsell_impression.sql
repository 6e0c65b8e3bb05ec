-- dialect: postgres
-- one row per: impression of an offer in a batch that is not stored yet and whose rule is the company's
-- parameters: none
insert into "UpsellImpression" (
    id, "companyId", "ruleId", "cartId", "customerId", "sessionId", placement, "experimentId", variant, offer, "viewedAt"
)
select
    e.id, e."companyId", e."ruleId", e."cartId", c.id, e."sessionId", e.placement, e."experimentId", e.variant, e.offer,
    timestamptz 'epoch' + e.at * interval '1 millisecond'
from event_upsell_impression e
join "UpsellTargetingRule" r on r.id = e."ruleId" and r."companyId" = e."companyId"
left join "Customer" c on c.id = e."customerId" and c."companyId" = e."companyId"
on conflict (id) do nothing;
