-- dialect: postgres
-- one row per: company whose settings were written since then, '' where it is those for all
-- parameters: since
select distinct coalesce("companyId", '') as "companyId"
from "UpsellSettings"
where "updatedAt" >= %(since)s
order by 1;
