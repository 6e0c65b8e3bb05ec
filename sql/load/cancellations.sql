-- dialect: postgres
-- one row per: cancellation that found units in this load
-- parameters: company
insert into "UpsellLoadedCancellation" (
    "companyId", "orderId", "customerId", "productId", "cancelledAt", quantity, occurrence, matched
)
select %(company)s, s.order_id, s.customer_id, s.product_id, s.ordered_at, s.quantity, s.occurrence, m.matched
from staged_cancellation s
join staged_match m on m.row_of_file = s.row_of_file
on conflict ("companyId", "orderId", "customerId", "productId", "cancelledAt", quantity, occurrence)
do update set matched = "UpsellLoadedCancellation".matched + excluded.matched;
