-- dialect: postgres
-- one row per: company
-- parameters: company
--
-- How many experiments it has that are not over.
select count(*) as n
from "UpsellExperiment"
where "companyId" = %(company)s and status <> 'COMPLETED';
