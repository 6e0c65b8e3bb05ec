-- dialect: postgres
-- one row per: customer of the file that the company does not have yet
-- parameters: company
insert into "Customer" (id, "companyId", "createdAt")
select s.customer_id, %(company)s, s.first_at
from staged_customer s
order by s.customer_id
on conflict ("companyId", id) do nothing;
