-- dialect: postgres
-- one row per: nothing; creates what the management API and the intake of events keep beside the platform's eight tables
-- parameters: none
--
-- UpsellSettings: one row per company, and one without a company that holds for all. UpsellAudit: every write, never changed.
-- UpsellRejectedEvent: accepted events that no table can hold, with the reason. UpsellRevenueCheck: what a client claimed of an
-- accepted offer beside what the order says.
create table "UpsellSettings" (
    id text not null default gen_random_uuid()::text,
    "companyId" text,
    flags jsonb not null default '{}',
    settings jsonb not null default '{}',
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellSettings_pkey" primary key (id)
);
create unique index "UpsellSettings_company_key" on "UpsellSettings" (coalesce("companyId", ''));

create table "UpsellAudit" (
    id bigint generated always as identity,
    "companyId" text,
    "writtenAt" timestamptz(3) not null default current_timestamp,
    "writtenBy" text not null,
    action text not null,
    resource text not null,
    "resourceId" text not null,
    before jsonb,
    after jsonb,
    "requestId" text,
    constraint "UpsellAudit_pkey" primary key (id)
);
create index "UpsellAudit_companyId_writtenAt_idx" on "UpsellAudit" ("companyId", "writtenAt");

create table "UpsellRejectedEvent" (
    id text not null,
    kind text not null,
    "companyId" text not null,
    event jsonb not null,
    reason text not null,
    "createdAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellRejectedEvent_pkey" primary key (id, kind)
);

create table "UpsellRevenueCheck" (
    "impressionId" text not null,
    "companyId" text not null,
    "orderId" text,
    claimed numeric(12, 2),
    ordered numeric(12, 2),
    "checkedAt" timestamptz(3) not null default current_timestamp,
    constraint "UpsellRevenueCheck_pkey" primary key ("impressionId")
);
create index "UpsellRevenueCheck_companyId_checkedAt_idx" on "UpsellRevenueCheck" ("companyId", "checkedAt");
