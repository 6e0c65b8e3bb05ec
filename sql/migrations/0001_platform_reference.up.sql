-- dialect: postgres
-- one row per: nothing; creates the platform's tables where they do not exist
-- parameters: none
--
-- The platform owns these tables. A real platform has them (or views of these names) and every statement is skipped.
-- Keys of Product and Customer hold the company, so that trial shops may use the same ids side by side. Indexes stand
-- inside the tables: an index of ours on a table that the platform brought would be a migration of it.
create table if not exists "Company" (
    id text primary key,
    name text not null,
    slug text not null,
    currency text not null default 'EUR',
    timezone text not null default 'UTC',
    status text not null default 'ACTIVE'
);

create table if not exists "Product" (
    id text not null,
    "companyId" text not null,
    sku text,
    name text not null,
    slug text not null,
    description text,
    price numeric(10, 2),
    "compareAtPrice" numeric(10, 2),
    "costPrice" numeric(10, 2),
    currency text not null default 'EUR',
    "isSubscribable" boolean not null default false,
    "trackInventory" boolean not null default false,
    "stockQuantity" integer not null default 0,
    status text not null default 'ACTIVE' check (status in ('ACTIVE', 'DRAFT', 'ARCHIVED', 'OUT_OF_STOCK')),
    "isVisible" boolean not null default true,
    images jsonb not null default '[]',
    "createdAt" timestamptz(3) not null default current_timestamp,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    "deletedAt" timestamptz(3),
    primary key ("companyId", id)
);

create table if not exists "Customer" (
    id text not null,
    "companyId" text not null,
    email text,
    "firstName" text,
    "createdAt" timestamptz(3) not null default current_timestamp,
    "deletedAt" timestamptz(3),
    primary key ("companyId", id)
);

create table if not exists "Order" (
    id text primary key,
    "companyId" text not null,
    "customerId" text,
    status text not null default 'COMPLETED' check (status in (
        'PENDING', 'CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED', 'CANCELED',
        'REFUNDED'
    )),
    subtotal numeric(12, 2) not null default 0,
    "discountAmount" numeric(12, 2) not null default 0,
    total numeric(12, 2) not null default 0,
    currency text not null default 'EUR',
    environment text not null default 'production' check (environment in ('production', 'sandbox')),
    "orderedAt" timestamptz(3) not null,
    "updatedAt" timestamptz(3) not null default current_timestamp,
    "deletedAt" timestamptz(3),
    unique ("companyId", "orderedAt", id)
);

create table if not exists "OrderItem" (
    id text not null,
    "orderId" text not null,
    "productId" text,
    sku text,
    name text,
    quantity integer not null,
    "unitPrice" numeric(10, 2) not null default 0,
    "discountAmount" numeric(10, 2) not null default 0,
    "totalPrice" numeric(12, 2) not null default 0,
    "createdAt" timestamptz(3) not null default current_timestamp,
    primary key ("orderId", id)
);

create table if not exists "Cart" (
    id text primary key,
    "companyId" text not null,
    "customerId" text,
    "sessionToken" text,
    status text not null default 'ACTIVE' check (status in ('ACTIVE', 'CONVERTED', 'ABANDONED', 'MERGED', 'EXPIRED')),
    currency text not null default 'EUR',
    subtotal numeric(12, 2) not null default 0,
    "grandTotal" numeric(12, 2) not null default 0,
    "itemCount" integer not null default 0,
    "orderId" text,
    "updatedAt" timestamptz(3) not null default current_timestamp
);

create table if not exists "CartItem" (
    id text not null,
    "cartId" text not null,
    "productId" text not null,
    quantity integer not null,
    "unitPrice" numeric(10, 2) not null default 0,
    "lineTotal" numeric(12, 2) not null default 0,
    primary key ("cartId", id)
);

create table if not exists "Category" (
    id text primary key,
    "companyId" text not null,
    "parentId" text,
    name text not null,
    slug text not null
);

create table if not exists "ProductCategory" (
    "productId" text not null,
    "categoryId" text not null,
    "isPrimary" boolean not null default false,
    primary key ("productId", "categoryId")
);

create table if not exists "Subscription" (
    id text primary key,
    "companyId" text not null,
    "customerId" text not null,
    "productId" text not null,
    status text not null default 'ACTIVE' check (status in (
        'ACTIVE', 'PAUSED', 'CANCELED', 'PAST_DUE', 'TRIALING', 'EXPIRED'
    )),
    frequency text not null,
    "createdAt" timestamptz(3) not null default current_timestamp
);

create table if not exists "ProductReviewStats" (
    "productId" text primary key,
    "averageRating" numeric(3, 2) not null default 0,
    "totalReviews" integer not null default 0
);
