-- dialect: postgres
-- one row per: nothing; drops what 0002 created, in reverse order, enums last
-- parameters: none
drop table "RecommendationImpression";
drop table "RecommendationConfig";
drop table "ProductView";
drop table "UpsellExperiment";
drop table "UpsellImpression";
drop table "UpsellTargetingRule";
drop table "ProductSubscriptionConfig";
drop table "ProductBulkDiscount";
drop type "SubscriptionFrequency";
drop type "UpsellUrgency";
drop type "UpsellType";
drop type "BulkDiscountType";
