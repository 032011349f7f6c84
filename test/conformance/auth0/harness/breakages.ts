import { generateKeyPairSync } from "node:crypto";
import type { Answer, Breakage } from "./proxy.ts";

/** Reads as `at("POST /oauth/token")(without("id_token"))`. */
export function at(target: string, when?: (answer: Answer) => boolean) {
  const [method = "GET", path = "/"] = target.split(" ");
  return (alter: Breakage["alter"]): Breakage => ({ method, path, alter, ...(when ? { when } : {}) });
}

const json = (answer: Answer) => JSON.parse(answer.body) as Record<string, unknown>;
const withJson = (answer: Answer, body: unknown): Answer => ({ ...answer, body: JSON.stringify(body) });

/** The answer of a server that fails. */
export const failing =
  (status = 500, error = "server_error") =>
  (answer: Answer): Answer => ({
    ...answer,
    status,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ error, error_description: "broken on purpose" }),
  });

/** Another status, the body as it was. */
export const answering =
  (status: number) =>
  (answer: Answer): Answer => ({ ...answer, status });

/** A member of the JSON answer is missing. */
export const without = (member: string) => (answer: Answer) => {
  const { [member]: _gone, ...rest } = json(answer);
  return withJson(answer, rest);
};

/** A member of the JSON answer is another. */
export const replacing = (member: string, value: unknown) => (answer: Answer) =>
  withJson(answer, { ...json(answer), [member]: value });

/** The JWT in a member is signed by somebody else: its signature has another first character. */
export const forging = (member: string) => (answer: Answer) => {
  const body = json(answer);
  return withJson(answer, { ...body, [member]: forge(String(body[member])) });
};

/** The JWT in a member claims something else, and keeps the signature that it had. */
export const claiming = (member: string, claims: object) => (answer: Answer) => {
  const body = json(answer);
  const [header = "", payload = "", signature = ""] = String(body[member]).split(".");
  const changed = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...claims };
  const encoded = Buffer.from(JSON.stringify(changed)).toString("base64url");
  return withJson(answer, { ...body, [member]: [header, encoded, signature].join(".") });
};

export function forge(token: string): string {
  const at = token.lastIndexOf(".") + 1;
  return `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
}

/** A key set whose keys have the ids of ours and are others. */
export const otherKeys = (answer: Answer) => {
  const { keys } = json(answer) as { keys: Record<string, string>[] };
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: "jwk" });
  return withJson(answer, { keys: keys.map((key) => (key["kty"] === "RSA" ? { ...key, n, e } : key)) });
};

/** A redirect that leads somewhere else. */
export const redirecting =
  (change: (location: URL) => void) =>
  (answer: Answer): Answer => {
    const location = new URL(String(answer.headers["location"]));
    change(location);
    return { ...answer, headers: { ...answer.headers, location: location.href } };
  };
