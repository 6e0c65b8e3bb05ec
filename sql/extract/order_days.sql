-- dialect: postgres
-- one row per: UTC day on which the company has orders before the watermark
-- parameters: company, watermark
--
-- The fingerprint changes with every order that came, went or changed, whatever its status: a refunded order must make
-- its day be read again. A sum of instants, not their maximum: a transaction that commits late carries an older instant. The
-- ids tell an order from another one of the same instant.
-- Orders that lie on no usable day (infinite, or before 1970) get a null day and are counted as quarantined.
select
    case
        when "orderedAt" >= timestamptz '1970-01-01' then to_char("orderedAt" at time zone 'UTC', 'YYYY-MM-DD')
    end as day,
    count(*) as n_events,
    count(*) filter (
        where
            "deletedAt" is null
            and environment::text = 'production'
            and status::text in ('CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED')
    ) as n_counted,
    coalesce(sum(extract(epoch from "updatedAt") * 1000) filter (where isfinite("updatedAt")), 0)::numeric(38, 0)::text
        || ':' || sum(hashtext(id))::text as checksum
from "Order"
where "companyId" = %(company)s and "orderedAt" < %(watermark)s
group by day
order by day;
