-- dialect: postgres
-- one row per: nothing; drops what 0002 created, in reverse order, enums last
-- parameters: none
--
-- What somebody dropped by hand is no hindrance: down and up is how a damaged schema is repaired.
drop table if exists "RecommendationImpression";
drop table if exists "RecommendationConfig";
drop table if exists "ProductView";
drop table if exists "UpsellExperiment";
drop table if exists "UpsellImpression";
drop table if exists "UpsellTargetingRule";
drop table if exists "ProductSubscriptionConfig";
drop table if exists "ProductBulkDiscount";
drop type if exists "SubscriptionFrequency";
drop type if exists "UpsellUrgency";
drop type if exists "UpsellType";
drop type if exists "BulkDiscountType";
