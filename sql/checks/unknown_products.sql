-- dialect: duckdb
-- one row per: order line or view whose product the company does not have
-- parameters: none; reads `order_lines`, `views`, `products`
--
-- A product of another company is unknown here, too: nothing of one company may enter another's features.
select 'order_lines' as member, l.order_id as event_id, l.product_id, l.ordered_at as happened_at, 'unknown product' as reason
from order_lines l
anti join products p using (product_id)
union all
select 'views', v.session_id, v.product_id, v.viewed_at, 'unknown product'
from views v
anti join products p using (product_id)
order by member, happened_at, event_id, product_id;
