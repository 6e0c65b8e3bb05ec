-- dialect: postgres
-- one row per: stored order of which cancellations leave no unit
-- parameters: none
--
-- Its lines stay as they were, so that one sees what had been ordered; the status alone makes it count for nothing.
update "Order" o
set status = 'CANCELED', "updatedAt" = current_timestamp
where
    o.id in (select order_id from staged_line_left)
    and not exists (
        select
        from "OrderItem" i
        left join staged_line_left s on s.order_id = i."orderId" and s.line = i.id
        where i."orderId" = o.id and coalesce(s.remaining, i.quantity) > 0
    );
