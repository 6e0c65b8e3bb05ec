-- dialect: postgres
-- one row per: product of the file with a category
-- parameters: company
insert into "ProductCategory" ("productId", "categoryId", "isPrimary")
select s.product_id, %(company)s || ':' || s.category_slug, true
from staged_product s
where s.category is not null
order by s.product_id
on conflict ("productId", "categoryId") do nothing;
