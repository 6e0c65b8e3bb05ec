-- dialect: postgres
-- one row per: nothing; creates 4 enums, 8 tables, their indexes and foreign keys
-- parameters: none
--
-- Names are Prisma's, so that the platform's own schema and this migration can be compared by name.
create type "BulkDiscountType" as enum ('PERCENTAGE', 'FIXED_AMOUNT', 'UNIT_PRICE');
create type "UpsellType" as enum ('BULK_DISCOUNT', 'SUBSCRIPTION', 'CROSS_SELL', 'BUNDLE', 'FREE_GIFT', 'FREE_SHIPPING');
create type "UpsellUrgency" as enum ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL');
create type "SubscriptionFrequency" as enum (
    'WEEKLY', 'BIWEEKLY', 'MONTHLY', 'BIMONTHLY', 'QUARTERLY', 'BIANNUALLY', 'ANNUALLY'
);

create table "ProductBulkDiscount" (
    id text not null default gen_random_uuid()::text,
    "productId" text not null,
    "companyId" text not null,
    enabled boolean not null default true,
    tiers jsonb not null default '[]',
    "stackWithOtherDiscounts" boolean not null default false,
    "maxDiscountPercent" numeric(5, 2) not null default 30,
    "validFrom" timestamptz(3),
    "validUntil" timestamptz(3),
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "ProductBulkDiscount_pkey" primary key (id)
);

create table "ProductSubscriptionConfig" (
    id text not null default gen_random_uuid()::text,
    "productId" text not null,
    "companyId" text not null,
    enabled boolean not null default true,
    "discountTiers" jsonb not null default '[]',
    "defaultFrequency" "SubscriptionFrequency" not null default 'MONTHLY',
    "freeShippingIncluded" boolean not null default false,
    eligibility jsonb not null default '{}',
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "ProductSubscriptionConfig_pkey" primary key (id)
);

create table "UpsellTargetingRule" (
    id text not null default gen_random_uuid()::text,
    "companyId" text not null,
    name text not null,
    description text,
    priority integer not null default 100,
    enabled boolean not null default true,
    conditions jsonb not null default '{}',
    "upsellType" "UpsellType" not null,
    offer jsonb not null default '{}',
    message text,
    urgency "UpsellUrgency" not null default 'LOW',
    placements text[] not null default '{}',
    "maxImpressions" integer,
    "maxAcceptances" integer,
    "validFrom" timestamptz(3),
    "validUntil" timestamptz(3),
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellTargetingRule_pkey" primary key (id)
);

create table "UpsellImpression" (
    id text not null default gen_random_uuid()::text,
    "ruleId" text not null,
    "companyId" text not null,
    "cartId" text,
    "customerId" text,
    "sessionId" text not null,
    placement text not null,
    "experimentId" text,
    variant text,
    offer jsonb not null default '{}',
    "viewedAt" timestamptz(3) not null default current_timestamp,
    "clickedAt" timestamptz(3),
    "acceptedAt" timestamptz(3),
    "declinedAt" timestamptz(3),
    revenue numeric(12, 2),
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellImpression_pkey" primary key (id)
);

create table "UpsellExperiment" (
    id text not null default gen_random_uuid()::text,
    "companyId" text not null,
    "ruleId" text,
    name text not null,
    description text,
    status text not null default 'DRAFT' check (status in ('DRAFT', 'RUNNING', 'PAUSED', 'COMPLETED')),
    control jsonb not null default '{}',
    variants jsonb not null default '[]',
    "trafficPercent" numeric(5, 2) not null default 100,
    "variantWeights" jsonb not null default '{}',
    "primaryMetric" text not null,
    "minimumSampleSize" integer not null default 0,
    "confidenceLevel" numeric(5, 4) not null default 0.95,
    "startedAt" timestamptz(3),
    "endedAt" timestamptz(3),
    results jsonb,
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellExperiment_pkey" primary key (id)
);

create table "ProductView" (
    id text not null default gen_random_uuid()::text,
    "productId" text not null,
    "companyId" text not null,
    "sessionId" text not null,
    "customerId" text,
    source text not null default 'DIRECT' check (source in ('DIRECT', 'SEARCH', 'RECOMMENDATION')),
    "sourceProductId" text,
    "durationSeconds" integer,
    "viewedAt" timestamptz(3) not null default current_timestamp,
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "ProductView_pkey" primary key (id)
);

create table "RecommendationConfig" (
    id text not null default gen_random_uuid()::text,
    "companyId" text not null,
    "alsoBought" jsonb not null default '{}',
    "youMightLike" jsonb not null default '{}',
    "frequentlyViewed" jsonb not null default '{}',
    global jsonb not null default '{}',
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "RecommendationConfig_pkey" primary key (id)
);

create table "RecommendationImpression" (
    id text not null default gen_random_uuid()::text,
    "companyId" text not null,
    "productId" text not null,
    type text not null,
    "sessionId" text not null,
    "customerId" text,
    "experimentId" text,
    variant text,
    generation text,
    "recommendedIds" text[] not null default '{}',
    "impressedAt" timestamptz(3) not null default current_timestamp,
    "clickedProductId" text,
    "clickedAt" timestamptz(3),
    "addedToCart" boolean not null default false,
    "addedAt" timestamptz(3),
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "RecommendationImpression_pkey" primary key (id)
);

create unique index "ProductBulkDiscount_productId_key" on "ProductBulkDiscount" ("productId");
create index "ProductBulkDiscount_productId_idx" on "ProductBulkDiscount" ("productId");
create unique index "ProductSubscriptionConfig_productId_key" on "ProductSubscriptionConfig" ("productId");
create index "ProductSubscriptionConfig_productId_idx" on "ProductSubscriptionConfig" ("productId");
create index "UpsellTargetingRule_companyId_enabled_idx" on "UpsellTargetingRule" ("companyId", enabled);
create index "UpsellImpression_ruleId_createdAt_idx" on "UpsellImpression" ("ruleId", "createdAt");
create index "UpsellImpression_sessionId_idx" on "UpsellImpression" ("sessionId");
create index "ProductView_productId_companyId_viewedAt_idx" on "ProductView" ("productId", "companyId", "viewedAt");
create index "ProductView_customerId_viewedAt_idx" on "ProductView" ("customerId", "viewedAt");
-- the nightly extraction counts a company's views by day
create index "ProductView_companyId_viewedAt_idx" on "ProductView" ("companyId", "viewedAt");
create unique index "RecommendationConfig_companyId_key" on "RecommendationConfig" ("companyId");
create index "RecommendationImpression_productId_companyId_impressedAt_idx" on "RecommendationImpression" (
    "productId", "companyId", "impressedAt"
);
create index "RecommendationImpression_sessionId_impressedAt_idx" on "RecommendationImpression" (
    "sessionId", "impressedAt"
);

alter table "UpsellImpression" add constraint "UpsellImpression_ruleId_fkey"
    foreign key ("ruleId") references "UpsellTargetingRule" (id) on delete cascade on update cascade;

-- Foreign keys to the platform's tables. What the platform maps by a view cannot be referenced and is left out; where a
-- key holds the company (the reference tables), the reference does too.
do $$
declare
    reference record;
    by_id boolean;
    by_company boolean;
    on_delete text;
begin
    for reference in
        select * from (values
            ('ProductBulkDiscount', 'productId', 'Product'), ('ProductBulkDiscount', 'companyId', 'Company'),
            ('ProductSubscriptionConfig', 'productId', 'Product'), ('ProductSubscriptionConfig', 'companyId', 'Company'),
            ('UpsellTargetingRule', 'companyId', 'Company'),
            ('UpsellImpression', 'companyId', 'Company'), ('UpsellImpression', 'customerId', 'Customer'),
            ('UpsellExperiment', 'companyId', 'Company'),
            ('ProductView', 'productId', 'Product'), ('ProductView', 'companyId', 'Company'),
            ('ProductView', 'customerId', 'Customer'),
            ('RecommendationConfig', 'companyId', 'Company'),
            ('RecommendationImpression', 'productId', 'Product'), ('RecommendationImpression', 'companyId', 'Company'),
            ('RecommendationImpression', 'customerId', 'Customer')
        ) as t (child, child_column, parent)
    loop
        select
            coalesce(bool_or(columns = array['id']), false),
            coalesce(bool_or(columns @> array['id', 'companyId'] and cardinality(columns) = 2), false)
        into by_id, by_company
        from (
            select array_agg(a.attname::text) as columns
            from pg_index i
            cross join unnest(i.indkey::int2[]) as k (attnum)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where
                i.indrelid = format('%I', reference.parent)::regclass
                and i.indisunique and i.indimmediate and i.indpred is null and i.indexprs is null
            group by i.indexrelid
        ) as unique_keys;
        on_delete := case when reference.parent = 'Customer' then 'set null' else 'cascade' end;
        if by_id then
            execute format(
                'alter table %I add constraint %I foreign key (%I) references %I (id) on delete %s on update cascade',
                reference.child, reference.child || '_' || reference.child_column || '_fkey',
                reference.child_column, reference.parent, on_delete
            );
        elsif by_company and (on_delete = 'cascade' or current_setting('server_version_num')::int >= 150000) then
            execute format(
                'alter table %I add constraint %I foreign key ("companyId", %I) references %I ("companyId", id) on delete %s',
                reference.child, reference.child || '_' || reference.child_column || '_fkey', reference.child_column,
                reference.parent,
                on_delete || case when on_delete = 'set null' then format(' (%I)', reference.child_column) else '' end
            );
        else
            raise notice 'no foreign key from % to %: it has no unique key on id', reference.child, reference.parent;
        end if;
    end loop;
end
$$;
