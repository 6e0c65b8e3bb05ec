-- dialect: postgres
-- one row per: the range, with the number of order lines that extract/order_lines returns for it
-- parameters: company, start, until
select count(*) as n
from "Order" o
join "OrderItem" i on i."orderId" = o.id
where
    o."companyId" = %(company)s
    and o."orderedAt" >= %(start)s
    and o."orderedAt" < %(until)s
    and o."deletedAt" is null
    and o.environment::text = 'production'
    and o.status::text in ('CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED');
