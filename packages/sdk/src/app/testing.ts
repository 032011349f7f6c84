import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { BehalfOptions } from "../config.ts";
import {
  behalfOf,
  manualClock,
  type Peer,
  type PeerAnswer,
  type PeerRequest,
  startPeer,
  TOKEN,
} from "../testing.ts";
import { type AppAuth, type AppAuthOptions, createAppAuth } from "./index.ts";

const APP = "https://app.example";

/** A peer that signs ID tokens, an app with a session, and a browser that keeps the app's cookies. */
export interface LoginScene {
  peer: Peer;
  clock: ReturnType<typeof manualClock>;
  session: AppAuth;
  browser: Browser;
  /** The next answer of the token endpoint to a code: an ID token with these claims changed. */
  answerLogin(claims?: Record<string, unknown>, options?: { alg?: string; body?: object }): void;
  /** The next answer of the token endpoint to a refresh token. */
  answerRefresh(answer: PeerAnswer | ((request: PeerRequest) => PeerAnswer | Promise<PeerAnswer>)): void;
  newBrowser(): Browser;
}

export interface Browser {
  cookies: Map<string, string>;
  /** A request of this browser to the app. */
  request(path: string, method?: string): Request;
  /** Sends it to the session's handler and keeps the cookies of the answer. */
  open(path: string, method?: string): Promise<Response>;
  /** Goes to the server; the path is the way back from there, with a code. */
  beginLogin(returnTo?: string, query?: Record<string, string>): Promise<string>;
  /** Follows the whole login. */
  logIn(returnTo?: string): Promise<Response>;
}

/** The parameters that the app gave the server in a redirect. */
export function locationOf(response: Response): URL {
  return new URL(response.headers.get("location") ?? "about:blank");
}

export async function setUpLogin(
  t: TestContext,
  options: Partial<AppAuthOptions> = {},
  behalfOptions: Partial<BehalfOptions> = {},
): Promise<LoginScene> {
  const clock = manualClock();
  const keys = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "key-1", alg: "RS256", use: "sig" };
  let onCode: PeerAnswer | (() => Promise<PeerAnswer>) = { status: 500 };
  let onRefresh: Parameters<LoginScene["answerRefresh"]>[0] = { status: 500 };
  const peer = await startPeer(t, {
    "/.well-known/jwks.json": { body: { keys: [jwk] } },
    "/oauth/revoke": { body: "" },
    [TOKEN]: async (request) => {
      const answer = request.form.get("grant_type") === "refresh_token" ? onRefresh : onCode;
      return typeof answer === "function" ? answer(request) : answer;
    },
  });
  const behalf = behalfOf(peer, { clock, ...behalfOptions });
  const session = createAppAuth({ behalf, appBaseUrl: APP, secret: "s".repeat(40), ...options });
  let nonce = "";

  const scene: LoginScene = {
    peer,
    clock,
    session,
    browser: undefined as unknown as Browser, // set below, once the scene it uses is there
    answerLogin(claims = {}, { alg = "RS256", body = {} } = {}) {
      onCode = async () => ({
        body: {
          access_token: "at-login",
          expires_in: 3600,
          refresh_token: "rt-1",
          id_token: await new SignJWT({ ...idTokenClaims(peer.issuer, clock.now(), nonce), ...claims })
            .setProtectedHeader({ alg, kid: "key-1" })
            .sign(alg === "RS256" ? keys.privateKey : new TextEncoder().encode("k".repeat(32))),
          ...body,
        },
      });
    },
    answerRefresh(answer) {
      onRefresh = answer;
    },
    newBrowser: () => createBrowser(session, (value) => (nonce = value)),
  };
  scene.browser = scene.newBrowser();
  scene.answerLogin();
  return scene;
}

function idTokenClaims(iss: string, nowMs: number, nonce: string) {
  const iat = nowMs / 1000;
  return {
    iss,
    aud: "agent",
    sub: "user:anne",
    name: "Anne",
    email: "anne@example.org",
    sid: "sid-1",
    nonce,
    iat,
    exp: iat + 300,
  };
}

function createBrowser(session: AppAuth, onNonce: (nonce: string) => void): Browser {
  const cookies = new Map<string, string>();
  const request = (path: string, method = "GET") => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return new Request(new URL(path, APP), { method, headers: cookie ? { cookie } : {} });
  };
  const open = async (path: string, method?: string) => {
    const response = await session.handler(request(path, method));
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (cookie.includes("Max-Age=0")) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
  const beginLogin = async (returnTo = "/chat", query = {}) => {
    const link = `/auth/login?${new URLSearchParams({ returnTo, ...query })}`;
    const sent = locationOf(await open(link)).searchParams;
    onNonce(sent.get("nonce") ?? "");
    return `/auth/callback?${new URLSearchParams({ code: "code-1", state: sent.get("state") ?? "" })}`;
  };
  return { cookies, request, open, beginLogin, logIn: async (returnTo) => open(await beginLogin(returnTo)) };
}
