-- dialect: postgres
-- one row per: customer, or session of a guest, and rule that has maxImpressions, which was shown to them since the day began
-- parameters: company, day
--
-- Rows are written after they were viewed; a day of slack for clocks lets the index of the rule find the few of today.
select
    coalesce(i."customerId", '') as customer_id,
    case when coalesce(i."customerId", '') = '' then i."sessionId" else '' end as session_id,
    r.id as rule_id,
    count(*) as n
from "UpsellTargetingRule" r
join "UpsellImpression" i on i."ruleId" = r.id
where
    r."companyId" = %(company)s and i."companyId" = %(company)s
    and r."maxImpressions" is not null
    and i."createdAt" >= %(day)s::timestamptz - interval '1 day'
    and i."viewedAt" >= %(day)s::timestamptz and i."viewedAt" < %(day)s::timestamptz + interval '1 day'
group by 1, 2, 3
order by 1, 2, 3;
