-- dialect: postgres
-- one row per: product of the company
-- parameters: company
select p.id as product_id, (p.price * 100)::bigint as price_cents
from "Product" p
where p."companyId" = %(company)s
order by p.id;
