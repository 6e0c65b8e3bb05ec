-- dialect: postgres
-- one row per: the company, once it exists
-- parameters: company
--
-- A load is one transaction that also creates the company, so a company that exists was loaded completely.
select id
from "Company"
where id = %(company)s;
