-- dialect: postgres
-- one row per: order of the file that the database has already
-- parameters: company
select s.order_id
from staged_order_id s
join "Order" o on o.id = %(company)s || ':' || s.order_id
order by s.order_id;
