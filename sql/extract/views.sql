-- dialect: postgres
-- one row per: product view in [start, until)
-- parameters: company, start, until
select
    v."sessionId" as session_id,
    v."customerId" as customer_id,
    v."productId" as product_id,
    v.source::text as source,
    v."viewedAt" as viewed_at
from "ProductView" v
where v."companyId" = %(company)s and v."viewedAt" >= %(start)s and v."viewedAt" < %(until)s
