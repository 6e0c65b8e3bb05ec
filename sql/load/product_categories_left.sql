-- dialect: postgres
-- one row per: category that a product had and the file replaces by another
-- parameters: company
delete from "ProductCategory" pc
using staged_product s, "Category" c
where
    s.category is not null and pc."productId" = s.product_id and c.id = pc."categoryId" and c."companyId" = %(company)s
    and c.slug <> s.category_slug;
