-- dialect: postgres
-- one row per: company of which a recommendation configuration was written since then
-- parameters: since
select distinct "companyId"
from "RecommendationConfig"
where "updatedAt" >= %(since)s
order by "companyId";
