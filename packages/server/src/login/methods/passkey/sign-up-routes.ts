import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { ApiError } from "../../../http/errors.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { BrowserToken } from "../../browser-token.ts";
import type { Flow } from "../../flows.ts";
import type { LoginKit } from "../../kit.ts";
import type { StartForm } from "../../views.ts";
import { defaultName } from "./names.ts";
import { PASSKEY_AMR, type Passkeys, randomHandle } from "./passkeys.ts";
import type { SignUpWithPasskey } from "./sign-up.ts";

/** What the sign-up page has besides the method: where its form leads. */
export interface PasskeySignUpRouteDeps {
  readonly kit: LoginKit;
  readonly passkeys: Passkeys;
  readonly browser: BrowserToken;
  readonly signUpWithPasskey: SignUpWithPasskey;
  readStart(fields: ReadonlyMap<string, string>): Promise<StartForm>;
  beginFlow(request: Request, form: StartForm): Promise<Flow>;
  showSignUp(request: Request, form: StartForm & { name: string }): Promise<Response>;
}

const PATH = "/signup/passkey";

/** An account without a password: name and e-mail address, then a passkey. Nothing is kept before that holds. */
export function passkeySignUpRoutes(deps: PasskeySignUpRouteDeps): Hono {
  const { kit, passkeys, browser } = deps;
  const app = new Hono<{ Bindings: HttpBindings }>();
  const bindingOf = (request: Request) => `browser:${browser.read(request) ?? ""}` as const;

  app.post(`${PATH}/options`, async (c) => {
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const [email, name] = [fields.get("email") ?? "", fields.get("name") ?? ""];
    const profile = { email, name, handle: randomHandle() };
    c.header("cache-control", "no-store");
    // The same for an address that has an account: who asks learns nothing.
    return c.json(
      await passkeys.askRegistration("sign_up", bindingOf(c.req.raw), profile, { request: profile }),
    );
  });

  app.post(PATH, async (c) => {
    const request = c.req.raw;
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const form = { ...(await deps.readStart(fields)), name: fields.get("name") ?? "" };
    if (!(await kit.takes({ organizationId: form.organization?.id }, "passkey"))) return c.notFound();
    const { tag, texts } = pickLanguage(request);
    const answer = fields.get("answer") ?? "";
    const registration = await passkeys.proveRegistration("sign_up", bindingOf(request), answer);
    if (!registration) return deps.showSignUp(request, { ...form, problem: texts.passkey.failed });
    const keyName = defaultName(
      registration.credential.aaguid,
      request.headers.get("user-agent") ?? undefined,
    );
    try {
      const user = await deps.signUpWithPasskey(registration, { keyName, locale: tag });
      const flow = await deps.beginFlow(request, { ...form, email: user.email });
      return await kit.prove(request, flow, user.id, PASSKEY_AMR, "passkey");
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      const problem = error.code === "login.email_invalid" ? texts.signUp.emailInvalid : texts.signUp.failed;
      return deps.showSignUp(request, { ...form, problem });
    }
  });

  return app as unknown as Hono;
}
