-- dialect: postgres
-- one row per: cart of the company that a file created, by the id that the file used
-- parameters: company
select substr(c.id, length(%(company)s) + 2) as cart_id, c.id as stored_id
from "Cart" c
where c."companyId" = %(company)s and starts_with(c.id, %(company)s || ':')
order by cart_id;
