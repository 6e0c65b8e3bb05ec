-- dialect: postgres
-- one row per: the bulk discount as stored, none where the product's id is configured by another company
-- parameters: company, product, enabled, tiers, stack_with_other_discounts, max_discount_percent, valid_from, valid_until
--
-- updatedAt is the version that Redis holds it under: it rises with every write, whatever the clocks say.
insert into "ProductBulkDiscount" as c (
    "productId", "companyId", enabled, tiers, "stackWithOtherDiscounts", "maxDiscountPercent", "validFrom", "validUntil",
    "updatedAt"
)
values (
    %(product)s, %(company)s, %(enabled)s::boolean, %(tiers)s::jsonb, %(stack_with_other_discounts)s::boolean,
    %(max_discount_percent)s::numeric, %(valid_from)s::timestamptz, %(valid_until)s::timestamptz,
    date_trunc('milliseconds', clock_timestamp())
)
on conflict ("productId") do update set
    enabled = excluded.enabled,
    tiers = excluded.tiers,
    "stackWithOtherDiscounts" = excluded."stackWithOtherDiscounts",
    "maxDiscountPercent" = excluded."maxDiscountPercent",
    "validFrom" = excluded."validFrom",
    "validUntil" = excluded."validUntil",
    "updatedAt" = greatest(excluded."updatedAt", c."updatedAt" + interval '1 millisecond')
where c."companyId" = excluded."companyId"
returning
    c.id,
    c."productId",
    c."companyId",
    c.enabled,
    c.tiers::text as tiers,
    c."stackWithOtherDiscounts",
    c."maxDiscountPercent",
    c."validFrom",
    c."validUntil",
    c."createdAt",
    c."updatedAt";
