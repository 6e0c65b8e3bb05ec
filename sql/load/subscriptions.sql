-- dialect: postgres
-- one row per: subscription of the file that is new or differs from what is stored
-- parameters: company
insert into "Subscription" (id, "companyId", "customerId", "productId", status, frequency, "createdAt")
select
    %(company)s || ':' || s.subscription_id, %(company)s, s.customer_id, s.product_id, s.status, s.frequency, s.created_at
from staged_subscription s
order by s.subscription_id
on conflict (id) do update set
    "customerId" = excluded."customerId", "productId" = excluded."productId", status = excluded.status,
    frequency = excluded.frequency, "createdAt" = excluded."createdAt"
where (excluded."customerId", excluded."productId", excluded.status, excluded.frequency, excluded."createdAt")
    is distinct from (
        "Subscription"."customerId", "Subscription"."productId", "Subscription".status, "Subscription".frequency,
        "Subscription"."createdAt"
    );
