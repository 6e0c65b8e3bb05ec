-- dialect: postgres
-- one row per: product that orders or views name and the company does not have yet
-- parameters: company
--
-- It was sold or looked at, so it exists: its id is its name until a products file gives a better one.
with created as (
    insert into "Product" (id, "companyId", sku, name, slug, currency, images, "createdAt", "updatedAt")
    select s.product_id, %(company)s, s.product_id, s.product_id, s.product_id, c.currency, '[]', 'infinity', 'infinity'
    from staged_seen_product s
    join "Company" c on c.id = %(company)s
    order by s.product_id
    on conflict ("companyId", id) do nothing
    returning id
)
insert into fresh_product (product_id)
select id from created
on conflict (product_id) do nothing;
