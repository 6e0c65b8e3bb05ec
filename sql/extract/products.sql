-- dialect: postgres
-- one row per: product of the company, deleted ones too
-- parameters: company
--
-- Deleted and hidden products leave as well: their past orders still count in baskets, they are only never shown.
select
    p.id as product_id,
    p.name,
    p.slug,
    p.description,
    (nullif(p.price, 'NaN') * 100)::bigint as price_cents,
    (nullif(p."compareAtPrice", 'NaN') * 100)::bigint as compare_at_cents,
    (nullif(p."costPrice", 'NaN') * 100)::bigint as cost_cents,
    p.currency,
    p.images ->> 0 as image_url,
    p.status::text as status,
    p."isVisible" and p."deletedAt" is null and p.status::text in ('ACTIVE', 'OUT_OF_STOCK') as is_shown,
    p.status::text <> 'OUT_OF_STOCK' and (not p."trackInventory" or p."stockQuantity" > 0) as in_stock,
    c.id as category_id,
    c.name as category,
    r."averageRating"::double precision as average_rating,
    coalesce(r."totalReviews", 0)::bigint as n_reviews
from "Product" p
left join lateral (
    select k.id, k.name
    from "ProductCategory" m
    join "Category" k on k.id = m."categoryId" and k."companyId" = p."companyId"
    where m."productId" = p.id
    order by m."isPrimary" desc, k.id
    limit 1
) c on true
left join "ProductReviewStats" r on r."productId" = p.id
where p."companyId" = %(company)s
