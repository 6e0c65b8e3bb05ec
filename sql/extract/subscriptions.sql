-- dialect: postgres
-- one row per: subscription of the company that began before the watermark
-- parameters: company, watermark
--
-- The status is today's whatever the watermark: the table keeps no history of it.
select
    s."customerId" as customer_id,
    s."productId" as product_id,
    s.status::text as status,
    s.frequency::text as frequency,
    s."createdAt" as created_at
from "Subscription" s
where
    s."companyId" = %(company)s
    and s."createdAt" < %(watermark)s
    and isfinite(s."createdAt")
    and s."customerId" is not null
    and s."productId" is not null
