-- dialect: duckdb
-- one row per: view of a product that the company has
-- parameters: none; reads `views`, `products`
select v.session_id, v.customer_id, v.product_id, v.source, v.viewed_at
from views v
join products p using (product_id)
order by v.viewed_at, v.session_id, v.product_id, v.source, v.customer_id;
