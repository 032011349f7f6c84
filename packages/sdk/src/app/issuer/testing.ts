import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Clock } from "../../store.ts";
import {
  CLIENT_SECRET,
  type Peer,
  type PeerAnswer,
  type PeerRequest,
  startPeer,
  TOKEN,
} from "../../testing.ts";

/** A small authorization server over HTTP: logs in whoever `login_hint` names, without asking. */
export interface Issuer {
  peer: Peer;
  /** The refresh tokens that are valid. */
  refreshTokens: Set<string>;
  /** A logout token for `agent`, with these claims and header members changed. */
  logoutToken(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** The session at this server that it began last for a user. */
  sidOf(user: string): string;
}

interface Grant {
  user: string;
  sid: string;
  nonce: string;
  challenge: string;
  redirectUri: string;
  organization: string | null;
}

export async function startIssuer(t: TestContext, clock: Clock): Promise<Issuer> {
  const keys = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "key-1", alg: "RS256", use: "sig" };
  const codes = new Map<string, Grant>();
  const refreshTokens = new Set<string>();
  const sids = new Map<string, string>();
  const nowSeconds = () => Math.floor(clock.now() / 1000);

  const sign = (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
    new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "key-1", ...header }).sign(keys.privateKey);

  const peer = await startPeer(t, {
    "/.well-known/jwks.json": { body: { keys: [jwk] } },
    "/authorize": ({ query }) => authorize(query),
    "/oauth/revoke": ({ form }) => {
      refreshTokens.delete(form.get("token") ?? "");
      return { body: "" };
    },
    [TOKEN]: (request) => token(request),
  });

  function authorize(query: URLSearchParams): PeerAnswer {
    const user = query.get("login_hint") ?? "anne";
    const [code, sid] = [randomUUID(), randomUUID()];
    sids.set(user, sid);
    const redirectUri = query.get("redirect_uri") ?? "";
    codes.set(code, {
      user,
      sid,
      redirectUri,
      nonce: query.get("nonce") ?? "",
      challenge: query.get("code_challenge") ?? "",
      organization: query.get("organization"),
    });
    const back = new URL(redirectUri);
    back.search = String(new URLSearchParams({ code, state: query.get("state") ?? "", iss: peer.issuer }));
    return { status: 302, headers: { location: back.href } };
  }

  async function token({ form }: PeerRequest): Promise<PeerAnswer> {
    assert.equal(form.get("client_secret"), CLIENT_SECRET);
    if (form.get("grant_type") === "refresh_token") return refresh(form);
    const grant = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (grant?.challenge !== challenge || grant.redirectUri !== form.get("redirect_uri")) return refused();
    return { body: { ...tokensOf(grant.user, ""), id_token: await idToken(grant) } };
  }

  function refresh(form: URLSearchParams): PeerAnswer {
    const former = form.get("refresh_token") ?? "";
    if (!refreshTokens.delete(former)) return refused();
    return { body: tokensOf(former.split("|")[1] ?? "", form.get("audience") ?? "") };
  }

  /** Tokens that say whose they are: a canary in everything that is given out. */
  function tokensOf(user: string, audience: string) {
    const refreshToken = `rt|${user}|${randomUUID()}`;
    refreshTokens.add(refreshToken);
    return {
      access_token: `at|${user}|${audience}|${randomUUID()}`,
      refresh_token: refreshToken,
      expires_in: 3600,
    };
  }

  const idToken = ({ user, sid, nonce, organization }: Grant) =>
    sign({
      iss: peer.issuer,
      aud: "agent",
      sub: `user:${user}`,
      name: user,
      sid,
      nonce,
      iat: nowSeconds(),
      exp: nowSeconds() + 300,
      auth_time: nowSeconds(),
      ...(organization ? { org_id: `org_${organization}`, org_name: organization } : {}),
    });

  return {
    peer,
    refreshTokens,
    sidOf: (user) => sids.get(user) ?? "",
    logoutToken: (claims = {}, header = {}) =>
      sign(
        {
          iss: peer.issuer,
          aud: "agent",
          iat: nowSeconds(),
          exp: nowSeconds() + 120,
          jti: randomUUID(),
          events: { "http://schemas.openid.net/event/backchannel-logout": {} },
          ...claims,
        },
        { typ: "logout+jwt", ...header },
      ),
  };
}

function refused(): PeerAnswer {
  return { status: 400, body: { error: "invalid_grant" } };
}

/** An HTTP server on a free port of loopback that ends with the test; its origin. */
export async function listen(t: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server has one
}
