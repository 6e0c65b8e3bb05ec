-- dialect: postgres
-- one row per: the range, with the number of orders that extract/experiment_orders returns for it
-- parameters: company, start, until
select count(*) as n
from "Order"
where
    "companyId" = %(company)s
    and "orderedAt" >= %(start)s
    and "orderedAt" < %(until)s
    and "deletedAt" is null
    and environment::text = 'production'
    and status::text <> 'PENDING';
