-- dialect: postgres
-- one row per: product created in this load that no event names
-- parameters: company
update "Product" p
set "createdAt" = current_timestamp, "updatedAt" = current_timestamp
from fresh_product f
where p."companyId" = %(company)s and p.id = f.product_id and p."createdAt" = 'infinity';
