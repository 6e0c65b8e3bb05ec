-- dialect: postgres
-- one row per: impression of the rule that was accepted, no more of them than the rule's cap
-- parameters: company, row, most
select id
from "UpsellImpression"
where "companyId" = %(company)s and "ruleId" = %(row)s and "acceptedAt" is not null
order by "acceptedAt", id
limit %(most)s;
