-- dialect: duckdb
-- one row per: experiment and unit that was exposed to it, with the reason why it may not be compared, or null
-- parameters: none; reads `designs`, `assigned`, `exposures`, `outcomes`
--
-- A unit is the session or the customer, as the design says. Its first exposure counts: outcomes lie in [first exposure,
-- + window), covariates in the days before it, all in UTC and before the watermark. Orders are joined here, by session, else by
-- customer to the exposure that came last before them, and count for one unit; what a client sent stands beside, as a claim.
-- Instants are microseconds, since additions to instants with a zone ask a calendar. All units are counted in one aggregation;
-- only those that were still active after their window had closed, or may hold a repeated row (fewer bits of a hash than rows),
-- are counted again, exactly. Minima and sums alone: the order of the rows says nothing.
with rules as materialized (
    select
        *,
        row_number() over (order by experiment_id)::integer as nr,
        unit = 'customer' as is_customer,
        (window_days * 86400000000)::bigint as window_us,
        coalesce(epoch_us(started_at), 0) as start_us,
        coalesce(least(epoch_us(ended_at), epoch_us(watermark)), epoch_us(watermark)) as end_us,
        epoch_us(watermark) as watermark_us
    from designs
),
arms as materialized (
    select r.*, a.variant, row_number() over (order by experiment_id, variant)::integer as arm
    from rules r
    join assigned a using (experiment_id)
),
shown as not materialized (
    select
        r.nr,
        r.arm,
        case when r.is_customer then e.customer_id else e.session_id end as unit_id,
        e.session_id,
        e.customer_id,
        e.subject_id,
        case e.placement
            when 'PRODUCT_PAGE' then 1 when 'CART_DRAWER' then 2 when 'CART_PAGE' then 3 when 'CHECKOUT' then 4
            when 'ORDER_CONFIRMATION' then 5 when 'POST_PURCHASE' then 6 when 'EXIT_INTENT' then 7 when 'ALSO_BOUGHT' then 8
            when 'YOU_MIGHT_LIKE' then 9 when 'FREQUENTLY_VIEWED' then 10
            else 11
        end as place,
        epoch_us(e.happened_at) as shown_us,
        epoch_us(e.clicked_at) as clicked_us,
        epoch_us(e.added_at) as added_us,
        epoch_us(e.accepted_at) as accepted_us,
        epoch_us(e.declined_at) as declined_us,
        e.claimed_revenue_cents,
        r.watermark_us
    from exposures e
    join arms r on r.experiment_id = e.experiment_id and r.variant = e.variant
    where
        epoch_us(e.happened_at) >= r.start_us
        and epoch_us(e.happened_at) < r.end_us
        and case when r.is_customer then e.customer_id else e.session_id end is not null
),
marked as not materialized (
    select
        * exclude (claimed_revenue_cents),
        (clicked_us >= shown_us and clicked_us < watermark_us) is true as is_clicked,
        (added_us >= shown_us and added_us < watermark_us) is true as is_added,
        (accepted_us >= shown_us and accepted_us < watermark_us) is true as is_accepted,
        (declined_us >= shown_us and declined_us < watermark_us) is true as is_declined,
        (least(clicked_us, added_us, accepted_us, declined_us) < shown_us) is true as is_early,
        case when is_accepted then claimed_revenue_cents end as claimed_revenue_cents
    from shown
),
counted as not materialized (
    select
        nr,
        unit_id,
        min(arm) as arm,
        max(arm) as other_arm,
        min(shown_us * 16 + place) as first_seen,
        max(greatest(shown_us, clicked_us, added_us, accepted_us, declined_us)) as touched_us,
        min(customer_id) as customer_id,
        bit_or(1::ubigint << (hash(shown_us, place, subject_id) & 63)) as bits,
        count(*) as n_impressions,
        -- five counters of 12 bits each: five sums, each with its own filter, take twice as long
        sum(
            is_clicked::bigint + is_added::bigint * 4096 + is_accepted::bigint * 16777216 + is_declined::bigint * 68719476736
            + is_early::bigint * 281474976710656
        )::ubigint as packed,
        sum(claimed_revenue_cents) as claimed_revenue_cents
    from marked
    group by nr, unit_id
),
exposed as materialized (
    select
        c.nr,
        c.unit_id,
        c.customer_id,
        c.arm,
        c.first_seen // 16 as first_us,
        mod(c.first_seen, 16)::utinyint as place,
        c.touched_us >= c.first_seen // 16 + r.window_us or bit_count(c.bits) < c.n_impressions
            or c.n_impressions > 4095 as is_recounted,
        c.n_impressions::integer as n_impressions,
        (c.packed & 4095)::integer as n_clicks,
        ((c.packed >> 12) & 4095)::integer as n_adds,
        ((c.packed >> 24) & 4095)::integer as n_accepts,
        ((c.packed >> 36) & 4095)::integer as n_declines,
        coalesce(c.claimed_revenue_cents, 0)::bigint as claimed_revenue_cents,
        ((c.packed >> 48) & 4095)::integer as n_early,
        case
            when c.arm <> c.other_arm then 1
            when c.n_impressions > r.max_per_day * ((c.touched_us - c.first_seen // 16) // 86400000000 + 1) then 2
            when c.first_seen // 16 + r.window_us > epoch_us(r.mature_until) then 3
            else 0
        end::utinyint as why
    from counted c
    join rules r using (nr)
),
once as not materialized (
    select
        s.nr, s.unit_id, s.shown_us, least(x.first_us + r.window_us, r.watermark_us) as until_us, min(s.clicked_us) as clicked_us,
        min(s.added_us) as added_us, min(s.accepted_us) as accepted_us, min(s.declined_us) as declined_us,
        max(s.claimed_revenue_cents) as claimed_revenue_cents, count(*) - 1 as n_repeated
    from shown s
    join (from exposed where is_recounted) as x on x.nr = s.nr and x.unit_id = s.unit_id
    join rules r on r.nr = s.nr
    group by s.nr, s.unit_id, s.arm, s.session_id, s.customer_id, s.place, s.subject_id, s.shown_us, until_us
),
recounted as materialized (
    select
        nr,
        unit_id,
        count(*) filter (where shown_us < until_us)::integer as n_impressions,
        count(*) filter (where shown_us < until_us and clicked_us >= shown_us and clicked_us < until_us)::integer as n_clicks,
        count(*) filter (where shown_us < until_us and added_us >= shown_us and added_us < until_us)::integer as n_adds,
        count(*) filter (where shown_us < until_us and accepted_us >= shown_us and accepted_us < until_us)::integer as n_accepts,
        count(*) filter (where shown_us < until_us and declined_us >= shown_us and declined_us < until_us)::integer as n_declines,
        coalesce(sum(claimed_revenue_cents) filter (
            where shown_us < until_us and accepted_us >= shown_us and accepted_us < until_us
        ), 0)::bigint as claimed_revenue_cents,
        count(*) filter (where least(clicked_us, added_us, accepted_us, declined_us) < shown_us)::integer as n_early,
        sum(n_repeated)::integer as n_repeated
    from once
    group by nr, unit_id
),
sessions as not materialized (
    select distinct r.nr, e.customer_id as unit_id, e.session_id
    from exposures e
    join rules r using (experiment_id)
    where r.is_customer
),
placed as not materialized (
    select * exclude (ordered_at), epoch_us(ordered_at) as ordered_us from outcomes
),
near as not materialized (
    select x.nr, x.unit_id, x.first_us, true as by_session, o.*
    from exposed x
    join placed o on o.session_id = x.unit_id
    where x.nr not in (select nr from rules where is_customer)
    union all
    select x.nr, x.unit_id, x.first_us, true, o.*
    from placed o
    join sessions s on s.session_id = o.session_id
    join exposed x on x.nr = s.nr and x.unit_id = s.unit_id
    union all
    select x.nr, x.unit_id, x.first_us, false, o.*
    from exposed x
    join placed o on o.customer_id = x.customer_id
),
linked as materialized (
    select n.*, n.ordered_us >= n.first_us as is_outcome
    from near n
    join rules r using (nr)
    where
        n.ordered_us >= n.first_us - (r.covariate_days * 86400000000)::bigint
        and n.ordered_us < least(n.first_us + r.window_us, r.watermark_us)
),
-- an order counts for one unit as an outcome, and as what came before for each that it came before
owned as not materialized (
    select *
    from linked
    qualify
        row_number() over (
            partition by nr, order_id, is_outcome, case when not is_outcome then unit_id end
            order by by_session desc, first_us desc, unit_id
        ) = 1
),
bought as materialized (
    select
        nr,
        unit_id,
        count(*) filter (where is_outcome)::integer as n_placed_orders,
        count(*) filter (where is_outcome and is_taken_back)::integer as n_refunds,
        count(*) filter (where is_outcome and not is_taken_back)::integer as n_orders,
        coalesce(sum(total_cents) filter (where is_outcome and not is_taken_back), 0)::bigint as revenue_cents,
        coalesce(sum(n_items) filter (where is_outcome and not is_taken_back), 0)::integer as n_items,
        coalesce(sum(discount_cents) filter (where is_outcome and not is_taken_back), 0)::bigint as discount_cents,
        count(*) filter (where not is_outcome and not is_taken_back)::integer as pre_n_orders,
        coalesce(sum(total_cents) filter (where not is_outcome and not is_taken_back), 0)::bigint as pre_revenue_cents,
        count(*) filter (where not is_outcome and by_session)::integer as n_early_orders
    from owned
    group by nr, unit_id
),
ranked as not materialized (
    select b.nr, b.revenue_cents, row_number() over (partition by b.nr order by b.revenue_cents desc) as place
    from bought b
    semi join (from exposed where why = 0) as x on x.nr = b.nr and x.unit_id = b.unit_id
    where b.revenue_cents > 0
),
caps as materialized (
    select s.nr, any_value(k.revenue_cents) as cap_cents
    from (select nr, count(*) as n from exposed where why = 0 group by nr) as s
    join rules r using (nr)
    join ranked k on k.nr = s.nr and k.place = s.n - ceil(r.cap_quantile * s.n)::bigint + 1
    group by s.nr
),
customers as materialized (
    select customer_id, min(ordered_us) as ordered_us, min(first_us) as first_us
    from (
        select customer_id, ordered_us, null::bigint as first_us from placed where not is_taken_back
        union all
        select customer_id, null, first_us from exposed
    ) as known
    where customer_id is not null
    group by customer_id
)
select
    r.experiment_id,
    r.variant,
    x.unit_id,
    case x.why when 1 then 'unitsInSeveralVariants' when 2 then 'bots' when 3 then 'unitsWithOpenWindow' end as reason,
    make_timestamptz(x.first_us) as exposed_at,
    [
        'PRODUCT_PAGE', 'CART_DRAWER', 'CART_PAGE', 'CHECKOUT', 'ORDER_CONFIRMATION', 'POST_PURCHASE', 'EXIT_INTENT',
        'ALSO_BOUGHT', 'YOU_MIGHT_LIKE', 'FREQUENTLY_VIEWED', 'OTHER'
    ][x.place] as segment_placement,
    case when least(f.ordered_us, f.first_us) < x.first_us - 1800000000 then 'RETURNING' else 'NEW' end as segment_visitor,
    case
        when x.customer_id is null then 'guest' when f.ordered_us < x.first_us then 'repeat' else 'first-time'
    end as segment_customer,
    coalesce(w.n_impressions, x.n_impressions) as n_impressions,
    coalesce(w.n_clicks, x.n_clicks) as n_clicks,
    coalesce(w.n_adds, x.n_adds) as n_adds,
    coalesce(w.n_accepts, x.n_accepts) as n_accepts,
    coalesce(w.n_declines, x.n_declines) as n_declines,
    coalesce(b.n_orders, 0) as n_orders,
    coalesce(b.n_placed_orders, 0) as n_placed_orders,
    coalesce(b.n_refunds, 0) as n_refunds,
    (coalesce(b.n_orders, 0) > 0)::utinyint as is_buyer,
    least(coalesce(b.revenue_cents, 0), coalesce(r.cap_cents, c.cap_cents)) as revenue_cents,
    coalesce(b.revenue_cents, 0) as uncapped_revenue_cents,
    coalesce(b.n_items, 0) as n_items,
    coalesce(b.discount_cents, 0) as discount_cents,
    coalesce(w.claimed_revenue_cents, x.claimed_revenue_cents) as claimed_revenue_cents,
    coalesce(b.pre_n_orders, 0) as pre_n_orders,
    coalesce(b.pre_revenue_cents, 0) as pre_revenue_cents,
    coalesce(w.n_early, x.n_early) + coalesce(b.n_early_orders, 0) as n_early,
    coalesce(w.n_repeated, 0) as n_repeated,
    coalesce(r.cap_cents, c.cap_cents) as cap_cents
from exposed x
join arms r on r.arm = x.arm
left join recounted w on w.nr = x.nr and w.unit_id = x.unit_id
left join bought b on b.nr = x.nr and b.unit_id = x.unit_id
left join caps c on c.nr = x.nr
left join customers f on f.customer_id = x.customer_id;
