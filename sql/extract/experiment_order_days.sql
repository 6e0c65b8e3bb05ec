-- dialect: postgres
-- one row per: UTC day on which the company has orders before the watermark
-- parameters: company, watermark
--
-- A cart may be joined to its order later than the order was written: the carts of a day's orders are part of its fingerprint.
with parts as (
    select
        o."orderedAt" as ordered_at,
        1 as n,
        (o."deletedAt" is null and o.environment::text = 'production' and o.status::text <> 'PENDING')::integer as n_counted,
        o."updatedAt" as updated_at,
        hashtext(o.id) as id
    from "Order" o
    where o."companyId" = %(company)s and o."orderedAt" < %(watermark)s
    union all
    select o."orderedAt", 0, 0, c."updatedAt", hashtext(c.id)
    from "Order" o
    join "Cart" c on c."orderId" = o.id
    where o."companyId" = %(company)s and o."orderedAt" < %(watermark)s and c."companyId" = %(company)s
)
select
    case
        when ordered_at >= timestamptz '1970-01-01' then to_char(ordered_at at time zone 'UTC', 'YYYY-MM-DD')
    end as day,
    sum(n) as n_events,
    sum(n_counted) as n_counted,
    coalesce(sum(extract(epoch from updated_at) * 1000) filter (where isfinite(updated_at)), 0)::numeric(38, 0)::text
        || ':' || sum(id)::text as checksum
from parts
group by day
order by day;
