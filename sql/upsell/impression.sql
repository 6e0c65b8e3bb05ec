-- dialect: postgres
-- one row per: the impression of an offer that is asked for
-- parameters: company, impression
select id, "ruleId" as rule_id, "acceptedAt" as accepted_at, revenue
from "UpsellImpression"
where "companyId" = %(company)s and id = %(impression)s;
