-- dialect: postgres
-- one row per: impression that was accepted, of a rule that has maxAcceptances, no more of a rule's than that
-- parameters: company
select rule_id, id
from (
    select
        r.id as rule_id,
        i.id,
        r."maxAcceptances" as most,
        row_number() over (partition by r.id order by i."acceptedAt", i.id) as number
    from "UpsellTargetingRule" r
    join "UpsellImpression" i on i."ruleId" = r.id
    where
        r."companyId" = %(company)s and i."companyId" = %(company)s
        and r."maxAcceptances" is not null and i."acceptedAt" is not null
) numbered
where number <= most
order by rule_id, number;
