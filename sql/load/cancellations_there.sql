-- dialect: postgres
-- one row per: staged cancellation that an earlier load matched, wholly or in part
-- parameters: company
select s.row_of_file, l.matched
from staged_cancellation s
join "UpsellLoadedCancellation" l
    on l."companyId" = %(company)s and l."orderId" = s.order_id and l."customerId" = s.customer_id
    and l."productId" = s.product_id and l."cancelledAt" = s.ordered_at and l.quantity = s.quantity
    and l.occurrence = s.occurrence
order by s.row_of_file;
