-- dialect: postgres
-- one row per: product created in this load that the events just read name
-- parameters: company
update "Product" p
set "createdAt" = least(p."createdAt", s.first_at), "updatedAt" = least(p."createdAt", s.first_at)
from staged_seen_product s
join fresh_product f on f.product_id = s.product_id
where p."companyId" = %(company)s and p.id = s.product_id and s.first_at < p."createdAt";
