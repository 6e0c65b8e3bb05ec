-- dialect: postgres
-- one row per: subscription configuration of the company, the product and the time asked for
-- parameters: company, product, since
--
-- A parameter that is null asks for all; `since` is compared with updatedAt. A configuration whose product is of another company,
-- or deleted, is none.
-- JSON is read as text, so that its numbers stay as they are.
select
    c.id,
    c."productId",
    c."companyId",
    c.enabled,
    c."discountTiers"::text as "discountTiers",
    c."defaultFrequency"::text as "defaultFrequency",
    c."freeShippingIncluded",
    c.eligibility::text as eligibility,
    c."createdAt",
    c."updatedAt"
from "ProductSubscriptionConfig" c
join "Product" p on p.id = c."productId" and p."companyId" = c."companyId" and p."deletedAt" is null
where
    (%(company)s::text is null or c."companyId" = %(company)s)
    and (%(product)s::text is null or c."productId" = %(product)s)
    and (%(since)s::timestamptz is null or c."updatedAt" >= %(since)s)
order by c."companyId", c."productId";
