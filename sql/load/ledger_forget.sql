-- dialect: postgres
-- one row per: remembered cancellation of a company that has no order any more
-- parameters: company
--
-- Where the orders were dropped to be loaded afresh, the cancellations have to work again.
delete from "UpsellLoadedCancellation" l
where l."companyId" = %(company)s and not exists (select from "Order" o where o."companyId" = %(company)s);
