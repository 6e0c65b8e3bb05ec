-- dialect: postgres
-- one row per: line of the company's active cart, with whose cart it is
-- parameters: company, cart, most
--
-- A deleted customer has no name here. Lines without units are none.
select
    i."productId",
    i.quantity,
    i."unitPrice",
    c."customerId",
    c."sessionToken",
    u."firstName"
from "Cart" c
join "CartItem" i on i."cartId" = c.id
left join "Customer" u on u."companyId" = c."companyId" and u.id = c."customerId" and u."deletedAt" is null
where c.id = %(cart)s and c."companyId" = %(company)s and c.status = 'ACTIVE' and i.quantity > 0
order by i.id, i."productId"
limit %(most)s;
