-- dialect: postgres
-- one row per: product of the file that is new or differs from what is stored
-- parameters: company
--
-- What the file leaves out never wipes what is known. A slug that another product of the company has gets the product's
-- id behind it. A new product is as old as its first event; until that is known it is infinitely young.
with taken as (
    select distinct s.product_id
    from staged_product s
    join "Product" p on p."companyId" = %(company)s and p.slug = s.slug and p.id <> s.product_id
)
insert into "Product" (
    id, "companyId", sku, name, slug, price, "costPrice", currency, images, "createdAt", "updatedAt"
)
select
    s.product_id, %(company)s, s.product_id, coalesce(s.title, s.product_id),
    case when t.product_id is null then s.slug else s.slug || '-' || s.product_id end,
    s.price_cents::numeric / 100, s.cost_cents::numeric / 100, c.currency, '[]', 'infinity', 'infinity'
from staged_product s
join "Company" c on c.id = %(company)s
left join taken t on t.product_id = s.product_id
order by s.product_id
on conflict ("companyId", id) do update set
    name = case when excluded.name = excluded.id then "Product".name else excluded.name end,
    slug = case when excluded.name = excluded.id then "Product".slug else excluded.slug end,
    price = coalesce(excluded.price, "Product".price),
    "costPrice" = coalesce(excluded."costPrice", "Product"."costPrice"),
    "updatedAt" = current_timestamp
where (
    case when excluded.name = excluded.id then "Product".name else excluded.name end,
    case when excluded.name = excluded.id then "Product".slug else excluded.slug end,
    coalesce(excluded.price, "Product".price), coalesce(excluded."costPrice", "Product"."costPrice")
) is distinct from ("Product".name, "Product".slug, "Product".price, "Product"."costPrice");
