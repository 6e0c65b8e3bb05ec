-- dialect: postgres
-- one row per: the company's product, with what a configuration of it is checked against
-- parameters: company, product
--
-- Nobody else configures the product until the transaction ends: what a write leaves out is then kept as it was just read.
select
    p.id,
    p."companyId",
    p.price,
    p.currency,
    c.timezone,
    pg_advisory_xact_lock(hashtextextended(p."companyId" || ' ' || p.id, 0)) is null as unlocked
from "Product" p
join "Company" c on c.id = p."companyId"
where p."companyId" = %(company)s and p.id = %(product)s and p."deletedAt" is null;
