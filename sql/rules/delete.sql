-- dialect: postgres
-- one row per: the rule that was deleted
-- parameters: company, row
delete from "UpsellTargetingRule"
where "companyId" = %(company)s and id = %(row)s
returning id;
