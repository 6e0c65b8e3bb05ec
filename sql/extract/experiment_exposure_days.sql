-- dialect: postgres
-- one row per: UTC day on which the company has exposures to experiments before the watermark
-- parameters: company, watermark
--
-- Clicks and acceptances come later and change the row: its updatedAt makes the day be read again.
with shown as (
    select id, "viewedAt" as happened_at, "updatedAt" as updated_at
    from "UpsellImpression"
    where "companyId" = %(company)s and "experimentId" is not null and "viewedAt" < %(watermark)s
    union all
    select id, "impressedAt", "updatedAt"
    from "RecommendationImpression"
    where "companyId" = %(company)s and "experimentId" is not null and "impressedAt" < %(watermark)s
)
select
    case
        when happened_at >= timestamptz '1970-01-01' then to_char(happened_at at time zone 'UTC', 'YYYY-MM-DD')
    end as day,
    count(*) as n_events,
    count(*) as n_counted,
    coalesce(sum(extract(epoch from updated_at) * 1000) filter (where isfinite(updated_at)), 0)::numeric(38, 0)::text
        || ':' || sum(hashtext(id))::text as checksum
from shown
group by day
order by day;
