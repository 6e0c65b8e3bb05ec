-- dialect: postgres
-- one row per: UTC day on which the company has views before the watermark
-- parameters: company, watermark
--
-- Views are written once and never change, so their number and creation times tell whether a day must be read again.
select
    case
        when "viewedAt" >= timestamptz '1970-01-01' then to_char("viewedAt" at time zone 'UTC', 'YYYY-MM-DD')
    end as day,
    count(*) as n_events,
    count(*) as n_counted,
    coalesce(sum(extract(epoch from "updatedAt") * 1000) filter (where isfinite("updatedAt")), 0)::numeric(38, 0)::text
        || ':' || sum(hashtext(id))::text as checksum
from "ProductView"
where "companyId" = %(company)s and "viewedAt" < %(watermark)s
group by day
order by day;
