-- dialect: postgres
-- one row per: product of the company, deleted ones too
-- parameters: company
--
-- Deleted and hidden products leave as well: their past orders still count in baskets, they are only never shown.
with primary_categories as (
    select distinct on (m."productId") m."productId", k.id, k.name
    from "Category" k
    join "ProductCategory" m on m."categoryId" = k.id
    where k."companyId" = %(company)s
    order by m."productId", m."isPrimary" desc, k.id
)
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
    case when p."trackInventory" then p."stockQuantity" end::bigint as stock,
    p.status::text <> 'OUT_OF_STOCK' and (not p."trackInventory" or p."stockQuantity" > 0) as in_stock,
    c.id as category_id,
    c.name as category,
    r."averageRating"::double precision as average_rating,
    coalesce(r."totalReviews", 0)::bigint as n_reviews
from "Product" p
left join primary_categories c on c."productId" = p.id
left join "ProductReviewStats" r on r."productId" = p.id
where p."companyId" = %(company)s
