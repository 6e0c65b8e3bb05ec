-- dialect: postgres
-- one row per: UTC day on which the company has orders before the watermark
-- parameters: company, watermark
--
-- The fingerprint changes with every order that came, went or changed, whatever its status: a refunded order must make
-- its day be read again. A sum of instants, not their maximum: a transaction that commits late carries an older instant. The
-- ids tell an order from another one of the same instant.
-- Orders that lie on no usable day (infinite, or before 1970) get a null day and are counted as quarantined.
with days as (
    select
        ("orderedAt" at time zone 'UTC')::date as day,
        count(*) as n_events,
        count(*) filter (
            where
                "deletedAt" is null
                and environment::text = 'production'
                and status::text in ('CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED')
        ) as n_counted,
        coalesce(sum(round(date_part('epoch', "updatedAt") * 1000)::bigint) filter (where isfinite("updatedAt")), 0) as updated,
        sum(hashtext(id)) as ids
    from "Order"
    where "companyId" = %(company)s and "orderedAt" < %(watermark)s
    group by ("orderedAt" at time zone 'UTC')::date
)
select
    case when day >= date '1970-01-01' then to_char(day, 'YYYY-MM-DD') end as day,
    sum(n_events)::bigint as n_events,
    sum(n_counted)::bigint as n_counted,
    sum(updated)::text || ':' || sum(ids)::text as checksum
from days
group by 1
order by 1;
