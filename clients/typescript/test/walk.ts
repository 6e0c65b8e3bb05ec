/** A storefront's and an admin's walk through a running API, which the environment names; ends with code 0 where all holds. */

import assert from "node:assert/strict";

import { createUpsell, UpsellError } from "../src/index.js";

const { UPSELL_URL, UPSELL_TOKEN, UPSELL_COMPANY, UPSELL_PRODUCT } = process.env;
assert(UPSELL_URL && UPSELL_TOKEN && UPSELL_COMPANY && UPSELL_PRODUCT);
const companyId = UPSELL_COMPANY;
const productId = UPSELL_PRODUCT;
const query = { companyId };
const shop = createUpsell({ baseUrl: UPSELL_URL });
const admin = createUpsell({ baseUrl: UPSELL_URL, token: () => UPSELL_TOKEN });

// a page, and a click on what it shows
const page = await shop.GET("/api/products/{productId}/recommendations", { params: { path: { productId }, query } });
assert(page.data);
const section = page.data.sections[0];
assert(section);
const clickedProductId = section.products[0]?.id;
assert(clickedProductId);
const clicked = await shop.POST("/api/recommendations/click", {
  params: { query },
  body: { impressionId: section.impressionId, clickedProductId },
});
assert.equal(clicked.data?.success, true);

// a rule, its life, and an update that would be lost
const made = await admin.POST("/api/upsell/rules", {
  body: { name: "Typed", upsellType: "CROSS_SELL", offer: { discountPercent: 10 }, maxAcceptances: 1 },
});
assert(made.data);
const rule = { path: { ruleId: made.data.id } };
const tag = made.response.headers.get("etag");
assert(tag);
const changed = await admin.PUT("/api/upsell/rules/{ruleId}", { params: { ...rule, header: { "If-Match": tag } }, body: { priority: 1 } });
assert.equal(changed.data?.priority, 1);
await assert.rejects(
  admin.PUT("/api/upsell/rules/{ruleId}", { params: { ...rule, header: { "If-Match": tag } }, body: { priority: 2 } }),
  (error: unknown) => error instanceof UpsellError && error.status === 412 && error.problem?.title === "Precondition failed",
);

// the offer, shown and taken; an event that is sent again counts once, a second taker comes too late
async function offered(): Promise<string | undefined> {
  const cart = await shop.GET("/api/upsell/cart/{cartId}", {
    params: { path: { cartId: "typed" }, query: { companyId, items: `${encodeURIComponent(productId)}:1`, sessionId: "typed" } },
  });
  return cart.data?.upsells.find((upsell) => upsell.ruleId === made.data?.id)?.impressionToken;
}
let impressionToken = await offered();
for (let tries = 0; impressionToken === undefined && tries < 200; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  impressionToken = await offered();
}
assert(impressionToken);
async function shown(sessionId: string, given: { impressionToken?: string }): Promise<string> {
  const answer = await shop.POST("/api/upsell/impressions", {
    params: { query },
    body: { cartId: "typed", ruleId: rule.path.ruleId, sessionId, placement: "CART_PAGE", offer: { discountPercent: 10 }, ...given },
  });
  assert(answer.data);
  return answer.data.impressionId;
}
const impressionId = await shown("typed", { impressionToken });
const taken = { params: { query, header: { "Idempotency-Key": "typed-1" } }, body: { impressionId, revenue: 9.99 } };
for (let time = 0; time < 2; time++) {
  assert.equal((await shop.POST("/api/upsell/impressions/accept", taken)).data?.success, true);
}
const second = await shown("another", {});
await assert.rejects(
  shop.POST("/api/upsell/impressions/accept", { params: { query }, body: { impressionId: second, revenue: 1 } }),
  (error: unknown) => error instanceof UpsellError && error.status === 409,
);

// refusals are typed
await assert.rejects(
  shop.GET("/api/upsell/rules", {}),
  (error: unknown) => error instanceof UpsellError && error.status === 401 && error.problem?.requestId !== undefined,
);
await admin.DELETE("/api/upsell/rules/{ruleId}", { params: rule });
console.log("walked");
