-- dialect: polars
-- one row per: extracted order line, with the reason why it cannot be used, or null
-- parameters: none; reads the table `extracted`
select
    *,
    case
        when product_id is null then 'the product was deleted'
        when quantity is null or quantity <= 0 then 'quantity is not above zero'
        when unit_price_cents is null then 'unit price is no number'
        when unit_price_cents < 0 then 'unit price is negative'
    end as reason
from extracted;
