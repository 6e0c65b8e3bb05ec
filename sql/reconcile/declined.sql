-- dialect: postgres
-- one row per: customer, or session of a guest, and rule that they declined after `since` and did not accept later
-- parameters: company, since
select
    coalesce(i."customerId", '') as customer_id,
    case when coalesce(i."customerId", '') = '' then i."sessionId" else '' end as session_id,
    r.id as rule_id,
    max(i."declinedAt") as declined_at
from "UpsellTargetingRule" r
join "UpsellImpression" i on i."ruleId" = r.id
where
    r."companyId" = %(company)s and i."companyId" = %(company)s
    and (i."declinedAt" > %(since)s::timestamptz or i."acceptedAt" > %(since)s::timestamptz)
group by 1, 2, 3
having max(i."declinedAt") > coalesce(max(i."acceptedAt"), '-infinity') and max(i."declinedAt") > %(since)s::timestamptz
order by 1, 2, 3;
