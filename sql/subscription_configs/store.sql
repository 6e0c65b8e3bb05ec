-- dialect: postgres
-- one row per: the subscription configuration as stored, none where the product's id is configured by another company
-- parameters: company, product, enabled, discount_tiers, default_frequency, free_shipping_included, eligibility
--
-- updatedAt is the version that Redis holds it under: it rises with every write, whatever the clocks say.
insert into "ProductSubscriptionConfig" as c (
    "productId", "companyId", enabled, "discountTiers", "defaultFrequency", "freeShippingIncluded", eligibility, "updatedAt"
)
values (
    %(product)s, %(company)s, %(enabled)s::boolean, %(discount_tiers)s::jsonb,
    %(default_frequency)s::"SubscriptionFrequency", %(free_shipping_included)s::boolean, %(eligibility)s::jsonb,
    date_trunc('milliseconds', clock_timestamp())
)
on conflict ("productId") do update set
    enabled = excluded.enabled,
    "discountTiers" = excluded."discountTiers",
    "defaultFrequency" = excluded."defaultFrequency",
    "freeShippingIncluded" = excluded."freeShippingIncluded",
    eligibility = excluded.eligibility,
    "updatedAt" = greatest(excluded."updatedAt", c."updatedAt" + interval '1 millisecond')
where c."companyId" = excluded."companyId"
returning
    c.id,
    c."productId",
    c."companyId",
    c.enabled,
    c."discountTiers"::text as "discountTiers",
    c."defaultFrequency"::text as "defaultFrequency",
    c."freeShippingIncluded",
    c.eligibility::text as eligibility,
    c."createdAt",
    c."updatedAt";
