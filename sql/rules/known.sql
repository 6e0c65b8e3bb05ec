-- dialect: postgres
-- one row per: product or category of the company among the ids asked for
-- parameters: company, products, categories
select 'product' as what, id
from "Product"
where "companyId" = %(company)s and id = any (%(products)s::text[]) and "deletedAt" is null
union all
select 'category' as what, id
from "Category"
where "companyId" = %(company)s and id = any (%(categories)s::text[])
order by what, id;
