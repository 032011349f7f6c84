import type { Switches } from "./switches.ts";

/** What was issued, before the switches change how it is told. */
export type Issued = {
  grantId: string;
  accessToken: string;
  refreshToken: string | undefined;
  idToken?: string | undefined;
  /** Space-separated, as granted. */
  scope: string;
  lifeSeconds: number;
};

/** The token answer (RFC 6749 section 5.1), bent by the switches that are on. */
export function tokenAnswer(issued: Issued, switches: Switches): Response {
  const { expiresIn, commaScopes, duplicateMembers, contentType } = switches;
  const body: Record<string, unknown> = { access_token: issued.accessToken, token_type: "Bearer" };
  if (!expiresIn) body["expires_in"] = issued.lifeSeconds;
  else if ("value" in expiresIn) body["expires_in"] = expiresIn.value;
  body["scope"] = commaScopes ? issued.scope.replaceAll(" ", ",") : issued.scope;
  if (issued.refreshToken !== undefined) body["refresh_token"] = issued.refreshToken;
  if (issued.idToken !== undefined) body["id_token"] = issued.idToken;
  const json = JSON.stringify(body);
  return new Response(duplicateMembers ? `{"access_token":"worthless",${json.slice(1)}` : json, {
    headers: {
      "content-type": contentType?.value ?? "application/json",
      // RFC 6749 section 5.1.
      "cache-control": "no-store",
      pragma: "no-cache",
    },
  });
}
