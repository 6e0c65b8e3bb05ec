/** A typed client of the Smart Upsell API: every operation of its document, refusals as errors. */

import createClient, { type Client, type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** What the API says of a request that it did not do (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

export interface Options {
  /** Where the API is, without a path. */
  baseUrl: string;
  /** Bearer token for what is not public, or how to get one. */
  token?: string | (() => string | Promise<string>);
  fetch?: (request: Request) => Promise<Response>;
}

/** Thrown for every answer that is no success; `retryAfter` in seconds where the API names it. */
export class UpsellError extends Error {
  readonly retryAfter: number | undefined;

  constructor(
    readonly status: number,
    readonly problem: Problem | undefined,
    response: Response,
  ) {
    super(problem?.detail ?? `The API answered ${status}.`);
    this.name = "UpsellError";
    const seconds = response.headers.get("retry-after");
    this.retryAfter = seconds === null ? undefined : Number(seconds);
  }
}

const EVENTS = /^\/api\/(recommendations\/(view|click|add-to-cart)|upsell\/impressions(\/(accept|decline))?)$/;

/** Events get an Idempotency-Key, unless the caller gives one: whoever sends an event again gives the same one again. */
export function createUpsell(options: Options): Client<paths> {
  const { baseUrl, token, fetch } = options;
  const client = createClient<paths>({ baseUrl, ...(fetch ? { fetch } : {}) });
  const edge: Middleware = {
    async onRequest({ request, schemaPath }) {
      if (token !== undefined) {
        request.headers.set("authorization", `Bearer ${typeof token === "string" ? token : await token()}`);
      }
      if (request.method === "POST" && EVENTS.test(schemaPath) && !request.headers.has("idempotency-key")) {
        request.headers.set("idempotency-key", crypto.randomUUID());
      }
      return request;
    },
    async onResponse({ response }) {
      if (!response.ok && response.status !== 304) {
        const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
        throw new UpsellError(response.status, isProblem ? ((await response.json()) as Problem) : undefined, response);
      }
    },
  };
  client.use(edge);
  return client;
}
