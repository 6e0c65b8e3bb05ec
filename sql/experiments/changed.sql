-- dialect: postgres
-- one row per: company of which a experiment was written since then
-- parameters: since
select distinct "companyId"
from "UpsellExperiment"
where "updatedAt" >= %(since)s
order by "companyId";
