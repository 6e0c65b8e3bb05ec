-- dialect: postgres
-- one row per: the range, with the number of impressions that extract/impressions returns for it
-- parameters: company, start, until
select count(*) as n
from "UpsellImpression" i
join "UpsellTargetingRule" r on r.id = i."ruleId"
where
    i."companyId" = %(company)s and r."companyId" = %(company)s
    and i."viewedAt" >= %(start)s and i."viewedAt" < %(until)s;
