-- dialect: postgres
-- one row per: UTC day on which the company's offers were shown before the watermark
-- parameters: company, watermark
--
-- Acceptances come later and change the row: its updatedAt makes the day be read again. The company's rules come first, here and
-- in the queries beside this, since impressions are found by the index of their rule.
with rules as (
    select id from "UpsellTargetingRule" where "companyId" = %(company)s
)
select
    case
        when i."viewedAt" >= timestamptz '1970-01-01' then to_char(i."viewedAt" at time zone 'UTC', 'YYYY-MM-DD')
    end as day,
    count(*) as n_events,
    count(*) as n_counted,
    coalesce(sum(extract(epoch from i."updatedAt") * 1000) filter (where isfinite(i."updatedAt")), 0)::numeric(38, 0)::text
        || ':' || sum(hashtext(i.id))::text as checksum
from "UpsellImpression" i
join rules r on r.id = i."ruleId"
where i."companyId" = %(company)s and i."viewedAt" < %(watermark)s
group by day
order by day;
