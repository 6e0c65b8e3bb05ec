-- dialect: postgres
-- one row per: production order placed in [start, until), also one that was taken back since
-- parameters: company, start, until
--
-- An order of several carts (merged ones) belongs to the session of the cart that comes first by its token. Amounts leave as
-- whole cents; what is no number leaves as null and is quarantined later. Orders, carts and lines are laid one below the other
-- and grouped: joins of three groupings become nested loops where Postgres has not analysed the tables yet.
with placed as not materialized (
    select *
    from "Order"
    where
        "companyId" = %(company)s
        and "orderedAt" >= %(start)s
        and "orderedAt" < %(until)s
        and "deletedAt" is null
        and environment::text = 'production'
        and status::text <> 'PENDING'
),
parts as (
    select
        p.id as order_id,
        nullif(p."customerId", '') as customer_id,
        null::text as session_id,
        p.status::text in ('CANCELED', 'REFUNDED') as is_taken_back,
        (nullif(p.total, 'NaN') * 100)::bigint as total_cents,
        (coalesce(nullif(p."discountAmount", 'NaN'), 0) * 100)::bigint as discount_cents,
        0::bigint as n_items,
        p.currency is distinct from k.currency as is_foreign,
        p."orderedAt" as ordered_at
    from placed p
    join "Company" k on k.id = p."companyId"
    union all
    select p.id, null, nullif(c."sessionToken", ''), null, null, null, 0, null, null
    from placed p
    join "Cart" c on c."orderId" = p.id
    where c."companyId" = %(company)s
    union all
    select p.id, null, null, null, null, null, greatest(i.quantity, 0), null, null
    from placed p
    join "OrderItem" i on i."orderId" = p.id
)
select
    order_id,
    max(customer_id) as customer_id,
    min(session_id) as session_id,
    bool_or(is_taken_back) as is_taken_back,
    max(total_cents) as total_cents,
    max(discount_cents) as discount_cents,
    sum(n_items)::bigint as n_items,
    bool_or(is_foreign) as is_foreign,
    max(ordered_at) as ordered_at
from parts
group by order_id
