-- dialect: postgres
-- one row per: company of which a targeting rule was written since then
-- parameters: since
select distinct "companyId"
from "UpsellTargetingRule"
where "updatedAt" >= %(since)s
order by "companyId";
