-- dialect: postgres
-- one row per: the range, with the number of views that extract/views returns for it
-- parameters: company, start, until
select count(*) as n
from "ProductView"
where "companyId" = %(company)s and "viewedAt" >= %(start)s and "viewedAt" < %(until)s;
