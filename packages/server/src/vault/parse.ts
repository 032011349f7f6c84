import { z } from "zod";
import { httpError } from "../http/errors.ts";

/** Bodies and queries of the My Account API. Limits are those of the published API (`auth0-wire` 3.2). */
const MAX_TAKE = 20;
const DEFAULT_TAKE = 10;

const scopeName = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/, "a scope of 1 to 255 characters");
const redirectUri = z.string().min(1).max(2_048);
/** RFC 7636 section 4.1: 43 to 128 unreserved characters. */
const pkce = z.string().regex(/^[A-Za-z0-9\-._~]{43,128}$/, "43 to 128 unreserved characters");
const paramText = z
  .string()
  .max(1_024)
  .regex(/^\P{Cc}*$/u, "text without control characters");

/** What an application may pass on to the provider; everything else of the request is ours. */
const authorizationParams = z.strictObject({
  acr_values: paramText.optional(),
  audience: paramText.optional(),
  display: z.enum(["page", "popup", "touch", "wap"]).optional(),
  id_token_hint: z.string().max(8_192).optional(),
  login_hint: paramText.optional(),
  max_age: z.union([z.number().int().min(0).max(31_536_000), z.string().regex(/^\d{1,8}$/)]).optional(),
  prompt: z
    .string()
    .regex(/^(none|login|consent|select_account)( (login|consent|select_account))*$/, "OpenID prompt values")
    .optional(),
  resource: paramText.optional(),
  ui_locales: paramText.optional(),
});

const startBody = z.strictObject({
  connection: z.string().min(1).max(128),
  redirect_uri: redirectUri,
  state: z
    .string()
    .max(4_096)
    .regex(/^[\x20-\x7e]*$/, "printable ASCII")
    .optional(),
  code_challenge: pkce,
  code_challenge_method: z.literal("S256"),
  scopes: z
    .array(scopeName)
    .min(1)
    .max(100)
    .refine((scopes) => new Set(scopes).size === scopes.length, "each scope once")
    .optional(),
  authorization_params: authorizationParams.optional(),
});

const completeBody = z.strictObject({
  auth_session: z.string().min(1).max(64),
  connect_code: z.string().min(1).max(46),
  redirect_uri: redirectUri,
  code_verifier: pkce,
});

/** A checked request to start a connection. */
export type StartBody = z.infer<typeof startBody>;
/** A checked request to complete one. */
export type CompleteBody = z.infer<typeof completeBody>;
/** What is passed on to the provider. */
export type AuthorizationParams = z.infer<typeof authorizationParams>;

/** @throws ApiError `request.invalid` with `validation_errors` */
export const parseStart = (body: unknown): StartBody => check(startBody, body, "body");
/** @throws ApiError `request.invalid` with `validation_errors` */
export const parseComplete = (body: unknown): CompleteBody => check(completeBody, body, "body");

/** One page of a list. The cursor is the last id of the page before, sent as `next` or `from`. */
export interface PageQuery {
  readonly connection: string | undefined;
  readonly take: number;
  readonly after: string | undefined;
}

/** @throws ApiError `request.invalid` with `validation_errors` */
export function parsePage(url: string): PageQuery {
  const params = new URL(url).searchParams;
  const once = (name: string): string | undefined => {
    const values = params.getAll(name);
    if (values.length > 1) throw invalid([problem(name, "sent more than once", "query")]);
    return values[0];
  };
  const take = once("take") ?? String(DEFAULT_TAKE);
  if (!/^\d{1,2}$/.test(take) || Number(take) < 1 || Number(take) > MAX_TAKE)
    throw invalid([problem("take", `a whole number from 1 to ${MAX_TAKE}`, "query")]);
  const [next, from] = [once("next"), once("from")];
  if (next !== undefined && from !== undefined && next !== from)
    throw invalid([problem("from", "next and from are the same thing: send one", "query")]);
  const after = next ?? from;
  if (after !== undefined && !/^[A-Za-z0-9._-]{1,128}$/.test(after))
    throw invalid([problem(next === undefined ? "from" : "next", "a value of an earlier answer", "query")]);
  return { connection: once("connection"), take: Number(take), after };
}

interface Problem {
  readonly detail: string;
  readonly field: string;
  readonly pointer: string;
  readonly source: "body" | "query";
}

function problem(field: string, detail: string, source: Problem["source"]): Problem {
  return { detail, field, pointer: `/${field.replaceAll(".", "/")}`, source };
}

function check<T>(schema: z.ZodType<T>, value: unknown, source: Problem["source"]): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => {
    const names = issue.code === "unrecognized_keys" ? issue.keys : [undefined];
    return names.map((name) => {
      const path = [...issue.path, ...(name === undefined ? [] : [name])].join(".");
      return problem(path.slice(0, 100), name === undefined ? issue.message : "not known here", source);
    });
  });
  throw invalid(problems);
}

function invalid(problems: readonly Problem[]) {
  const fields = problems.map(({ field, detail }) => `${field || "(body)"}: ${detail}`);
  return httpError("request.invalid", {
    detail: `Correct these members: ${fields.slice(0, 10).join("; ")}.`,
    members: { validation_errors: problems },
  });
}
