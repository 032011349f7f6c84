import type { IncomingMessage, ServerResponse } from "node:http";
import type { AgentPolicy } from "../config.ts";
import type { Secret } from "../lib/secret.ts";

/** A client as the rest of the server sees it, whether it was configured or made at run time. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly source: "configuration" | "runtime";
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  /** Origins of its pages. */
  readonly webOrigins: readonly string[];
  readonly grantTypes: readonly string[];
  readonly firstParty: boolean;
  /** Whether its users act for organizations. */
  readonly organizations: "none" | "optional" | "required";
  /** It registered itself: nobody here vouches for its name. */
  readonly unverified?: boolean;
  /** Public clients have no secret and authenticate with PKCE alone. */
  readonly confidential: boolean;
  /** What it may do for users; absent when it is no agent. */
  readonly agent: AgentPolicy | undefined;
  /** When an administrator switched it off, in milliseconds; nothing of it works then. */
  readonly disabledAt: number | undefined;
}

/** Looks clients up; changes are visible at once in this process and within a second in others. */
export interface Clients {
  find(id: string): Promise<Client | undefined>;
}

/** What a verified access token of ours says. */
export interface AccessTokenInfo {
  /** The user; for client credentials the client itself. */
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly audience: string;
  /** Absent for client credentials. */
  readonly userId: string | undefined;
  readonly jti: string;
}

/**
 * Verifies `Authorization: Bearer` of a request to one of our own APIs.
 * @throws ApiError `auth.token_missing`, `auth.token_invalid`, `auth.insufficient_scope`
 */
export type RequireToken = (
  request: Request,
  expected: { audience: string; scopes: readonly string[] },
) => Promise<AccessTokenInfo>;

/** A refresh or access token of ours that stands for a user towards a client. */
export interface SubjectToken {
  readonly userId: string;
  readonly clientId: string;
}

/** The part of a token request that grants of our own see; the client has been authenticated. */
export interface GrantRequest {
  readonly client: Client;
  /** Single-valued parameters; a repeated one was refused before. */
  readonly params: Readonly<Record<string, string>>;
}

/** A token endpoint answer of a grant of our own. */
export interface GrantResponse {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A grant that is answered outside the OAuth core, after client authentication through it. */
export interface OwnGrant {
  /** Its short name in a client's `grantTypes`. */
  readonly name: string;
  readonly grantType: string;
  /** Parameters that may appear; others are ignored, as RFC 6749 section 3.2 asks. */
  readonly parameters: readonly string[];
  handle(request: GrantRequest): Promise<GrantResponse>;
}

/** What a user has just proven to an app; the proof is used up. */
export interface DirectProof {
  readonly userId: string;
  /** RFC 8176 values. */
  readonly amr: readonly string[];
  readonly acr: string;
  /** In milliseconds. */
  readonly authenticatedAt: number;
  /** By what, in the words of an organization's connections: `password`, `passkey`, `code`. */
  readonly connection?: string | undefined;
  /** The tokens that the proof is for, whatever its request asks for; absent: what it asks for. */
  readonly target?: { readonly audience: string; readonly scope: string } | undefined;
  /** More members of the answer. */
  readonly members?: Readonly<Record<string, unknown>> | undefined;
}

/** Why a proof does not count. The caller is told no more than this says. */
export interface DirectRefusal {
  readonly error: string;
  readonly description: string;
  /** Default 400. */
  readonly status?: number;
  /** More members of the answer: `mfa_token`, `code`. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/**
 * A grant in which a user proves who they are to the app itself. The core authenticates the client and issues the
 * tokens; see direct.ts for what is checked when.
 */
export interface DirectGrant {
  /** Its short name in a client's `grantTypes`. */
  readonly name: string;
  readonly grantType: string;
  /** Parameters beside `scope`, `organization`, and `audience`, which arrives as `resource`. */
  readonly parameters: readonly string[];
  /** Uses the proof up and says whose it was. `params` has the named parameters that came, none empty. */
  prove(request: GrantRequest): Promise<DirectProof | DirectRefusal>;
}

/** Resolves subject tokens for token exchange. */
export interface SubjectTokens {
  /** A live refresh token of `clientId`; `undefined` when unknown, expired, used, revoked or another client's. */
  fromRefreshToken(value: Secret, clientId: string): Promise<SubjectToken | undefined>;
}

/** A login or consent that an authorization request waits for. */
export interface Interaction {
  readonly prompt: "login" | "organization" | "consent";
  /** Why the organization is asked about: `pick`, `invited` or `refused`. */
  readonly organizationState: string | undefined;
  /** The user must prove who they are again, even with a live session. */
  readonly mustAuthenticate: boolean;
  /** When the request came, in milliseconds. */
  readonly startedAt: number;
  /** Who the request is for; absent while nobody has logged in for it. */
  readonly userId: string | undefined;
  readonly client: Client;
  readonly redirectUri: string;
  readonly loginHint: string | undefined;
  readonly uiLocales: string | undefined;
  /** The app expects somebody new. */
  readonly signUpFirst: boolean;
  /** Name of the connection the app wants its user to log in with; nobody has checked that it exists. */
  readonly connection: string | undefined;
  /** Id or name of the organization the app wants its user to act for; unchecked. */
  readonly organization: string | undefined;
  /** Ticket of an invitation into an organization; unchecked. */
  readonly invitation: string | undefined;
  /** Classes the authentication should have, the preferred one first (OpenID Connect Core section 3.1.2.1). */
  readonly acrValues: readonly string[];
  /** How old the authentication may be at most, in seconds; absent when any age will do. */
  readonly maxAge: number | undefined;
  /** Parameters of the app's own, by their name with its `ext-`; meant for the log-in page, and unchecked. */
  readonly extra: Readonly<Record<string, string>>;
  /** What is asked for and not yet granted; for the consent page. */
  readonly asked: {
    readonly oidcScopes: readonly string[];
    readonly apis: readonly {
      readonly name: string;
      readonly scopes: readonly { name: string; title: string }[];
    }[];
  };
}

/** Reads and ends interactions. Each `finish…` returns the address to send the browser to. */
export interface Interactions {
  /** The interaction of this browser; `undefined` when it expired or belongs to another one. */
  find(node: NodeExchange): Promise<Interaction | undefined>;
  finishLogin(
    node: NodeExchange,
    login: { userId: string; authenticatedAt: number; amr: readonly string[]; acr: string },
  ): Promise<string>;
  finishConsent(node: NodeExchange): Promise<string>;
  /** The person acts for this organization; whether they may is judged when the request goes on. */
  finishOrganization(node: NodeExchange, organizationId: string): Promise<string>;
  /** `reason` goes to the app. */
  deny(node: NodeExchange, reason?: string): Promise<string>;
  /** Ends the core's login of this browser, and the tokens that live as long as it does. */
  endLogin(node: NodeExchange): Promise<void>;
}

/** The `node:http` objects of a request that Hono serves. */
export interface NodeExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

export type { Cors } from "./cors.ts";
export { createOAuth, type OAuth } from "./create.ts";
export type { KeyAdmin } from "./key-admin.ts";
