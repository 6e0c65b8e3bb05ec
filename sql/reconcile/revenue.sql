-- dialect: postgres
-- one row per: the company, with how many accepted offers were held against orders, and what that found
-- parameters: company, now, order_days, change_days
--
-- The order of an accepted offer is that of its cart, else the first that its customer or its session's cart placed within
-- order_days. What was ordered is worth the order's lines, of the offer's product alone where the offer names one to buy; of an
-- order that was canceled or refunded, nothing. Every accepted offer is looked at again as long as its order may come or change.
with accepted as (
    select
        i.id,
        nullif(i."cartId", '') as cart_id,
        nullif(i."customerId", '') as customer_id,
        nullif(i."sessionId", '') as session_id,
        i."acceptedAt" as accepted_at,
        nullif(i.revenue, 'NaN') as claimed,
        i.offer ->> 'bonusProduct' as product_id
    from "UpsellTargetingRule" r
    join "UpsellImpression" i on i."ruleId" = r.id
    left join "UpsellRevenueCheck" k on k."impressionId" = i.id
    where
        r."companyId" = %(company)s and i."companyId" = %(company)s
        and i."acceptedAt" <= %(now)s::timestamptz
        and (
            k."impressionId" is null
            or i."acceptedAt" > %(now)s::timestamptz - make_interval(days => %(order_days)s::int + %(change_days)s::int)
        )
),
placed as (
    select o.id, o."customerId" as customer_id, o."orderedAt" as ordered_at, o.status::text in ('CANCELED', 'REFUNDED') as is_back
    from "Order" o
    where
        o."companyId" = %(company)s and o."deletedAt" is null
        and o.environment::text = 'production' and o.status::text <> 'PENDING'
        and o."orderedAt" >= (select min(accepted_at) from accepted) - make_interval(days => %(order_days)s)
),
candidates as (
    select a.id, p.id as order_id, p.ordered_at, 1 as place
    from accepted a
    join "Cart" c on c.id = a.cart_id and c."companyId" = %(company)s
    join placed p on p.id = c."orderId"
    union all
    select a.id, p.id, p.ordered_at, 2
    from accepted a
    join placed p on p.customer_id = a.customer_id
    where p.ordered_at >= a.accepted_at and p.ordered_at < a.accepted_at + make_interval(days => %(order_days)s)
    union all
    select a.id, p.id, p.ordered_at, 2
    from accepted a
    join "Cart" c on c."sessionToken" = a.session_id and c."companyId" = %(company)s
    join placed p on p.id = c."orderId"
    where p.ordered_at >= a.accepted_at and p.ordered_at < a.accepted_at + make_interval(days => %(order_days)s)
),
chosen as (
    select distinct on (id) id, order_id
    from candidates
    order by id, place, ordered_at, order_id
),
worth as (
    select
        h.id,
        h.order_id,
        case
            when bool_or(p.is_back) then 0
            else greatest(least(coalesce(sum(
                l.quantity * coalesce(nullif(l."unitPrice", 'NaN'), 0) - coalesce(nullif(l."discountAmount", 'NaN'), 0)
            ), 0), 9999999999.99), 0)
        end as ordered
    from chosen h
    join accepted a on a.id = h.id
    join placed p on p.id = h.order_id
    left join "OrderItem" l on l."orderId" = h.order_id and (a.product_id is null or l."productId" = a.product_id)
    group by h.id, h.order_id
),
written as (
    insert into "UpsellRevenueCheck" as k ("impressionId", "companyId", "orderId", claimed, ordered, "checkedAt")
    select a.id, %(company)s, w.order_id, a.claimed, w.ordered, %(now)s::timestamptz
    from accepted a
    left join worth w on w.id = a.id
    where w.id is not null or a.accepted_at <= %(now)s::timestamptz - make_interval(days => %(order_days)s)
    order by a.id
    on conflict ("impressionId") do update set
        "orderId" = excluded."orderId",
        claimed = excluded.claimed,
        ordered = excluded.ordered,
        "checkedAt" = excluded."checkedAt"
    returning k."orderId" as order_id, k.claimed, k.ordered
)
select
    count(*) as checked,
    count(*) filter (where order_id is null) as without_order,
    count(*) filter (where claimed > coalesce(ordered, 0)) as mismatches
from written;
