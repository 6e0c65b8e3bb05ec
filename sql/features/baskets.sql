-- dialect: duckdb
-- one row per: order and product
-- parameters: none; reads `order_lines`, `products`
--
-- The same product on two lines of an order is one basket entry. A line given away (free, though the product has a price)
-- was not chosen by the customer, so it is no purchase.
with bought as (
    select l.*
    from order_lines l
    join products p using (product_id)
    where l.unit_price_cents > 0 or coalesce(p.price_cents, 0) = 0
)
select
    order_id,
    any_value(customer_id) as customer_id,
    product_id,
    sum(quantity)::bigint as quantity,
    min(ordered_at) as ordered_at
from bought
group by order_id, product_id
order by ordered_at, order_id, product_id;
