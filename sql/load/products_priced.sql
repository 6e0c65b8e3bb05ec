-- dialect: postgres
-- one row per: product without a price that was sold at one
-- parameters: company
update "Product" p
set
    price = s.price_cents::numeric / 100,
    "updatedAt" = case when f.product_id is null then current_timestamp else p."updatedAt" end
from staged_seen_product s
left join fresh_product f on f.product_id = s.product_id
where p."companyId" = %(company)s and p.id = s.product_id and p.price is null and s.price_cents is not null;
