-- dialect: postgres
-- one row per: product of the file that the company does not have yet
-- parameters: company
insert into fresh_product (product_id)
select s.product_id
from staged_product s
where not exists (select from "Product" p where p."companyId" = %(company)s and p.id = s.product_id);
