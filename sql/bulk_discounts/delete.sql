-- dialect: postgres
-- one row per: the bulk discount that was deleted, with the version of its deletion
-- parameters: company, product
--
-- The deletion is younger than what it deletes, whatever the clocks say.
delete from "ProductBulkDiscount"
where "companyId" = %(company)s and "productId" = %(product)s
returning
    id,
    "productId",
    "companyId",
    enabled,
    tiers::text as tiers,
    "stackWithOtherDiscounts",
    "maxDiscountPercent",
    "validFrom",
    "validUntil",
    "createdAt",
    "updatedAt",
    greatest(date_trunc('milliseconds', clock_timestamp()), "updatedAt" + interval '1 millisecond') as "deletedAt";
