-- dialect: postgres
-- one row per: impression of an offer of the company in [start, until)
-- parameters: company, start, until
with rules as (
    select id from "UpsellTargetingRule" where "companyId" = %(company)s
)
select
    i."ruleId" as rule_id,
    nullif(i."customerId", '') as customer_id,
    i.placement,
    i."experimentId" as experiment_id,
    i.variant,
    i."viewedAt" as viewed_at,
    i."acceptedAt" as accepted_at,
    i."declinedAt" as declined_at
from "UpsellImpression" i
join rules r on r.id = i."ruleId"
where i."companyId" = %(company)s and i."viewedAt" >= %(start)s and i."viewedAt" < %(until)s
