import assert from "node:assert/strict";
import { answerNewest, answerWhenAsked } from "../../../support/approvals.ts";
import { TEST_SECRET } from "../../../support/server.ts";
import { at, failing, replacing, without } from "../harness/breakages.ts";
import { assertTokenFor, claimsOf } from "../harness/claims.ts";
import { createStore, DOCUMENTS } from "../harness/documents.ts";
import { KETTLE } from "../harness/purchase.ts";
import { type Cell, type Driver, notOffered, type Subject } from "../harness/subject.ts";
import { NOTES, type User, type World } from "../harness/world.ts";

const token = at("POST /oauth/token");
const BATCH_CHECK = "POST /stores/{id}/batch-check";
const CHECK = "POST /stores/{id}/check";

let threads = 0;

/** Runs a tool of the driver for somebody; the same thread and call again is the same call resumed. */
const call = (driver: Driver, user: User, tool: string, threadID: string, input: object = {}) =>
  driver("call", {
    session: { userId: user.userId, refreshToken: user.refreshToken },
    threadID,
    tool,
    toolCallId: "call-1",
    input,
  });

const vault: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the exchange fails": token(failing()),
    "there is no provider's token": token(without("access_token")),
    "the scope is missing from what was granted": token(replacing("scope", "email")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const threadID = `vault-${++threads}`;
    const { interrupt } = await call(driver, user, "readCalendar", threadID);
    assert.deepEqual(
      [interrupt?.name, interrupt?.connection, interrupt?.requiredScopes],
      ["AUTH0_AI_INTERRUPT", "calendar", ["calendar.read"]],
    );
    await world.connectCalendar(user);
    const { value } = await call(driver, user, "readCalendar", threadID);
    assert.equal(value?.account, "anne.lee@calendar.example");
  },
};

/** Interrupt, answer, resume: what every framework but one does. */
const ciba: Cell = {
  requests: ["POST /bc-authorize", "POST /oauth/token"],
  broken: {
    "no request can be made": at("POST /bc-authorize")(failing()),
    "the request has no id": at("POST /bc-authorize")(without("auth_req_id")),
    "the answer never comes": token(failing(400, "authorization_pending")),
    "the user refuses": token(failing(403, "access_denied")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const threadID = `ciba-${++threads}`;
    const { interrupt } = await call(driver, user, "placeOrder", threadID, KETTLE);
    assert.match(String(interrupt?.code), /AUTHORIZATION_PENDING$/);
    assert.equal(interrupt.request?.interval ?? interrupt._request?.interval, 5);
    const { asked } = await answerNewest(world.issuer, user, "approve");
    assert.match(asked.text, /kettle/);
    const { value } = await call(driver, user, "placeOrder", threadID, KETTLE);
    assertApproved(value.accessToken);
  },
};

/** The tool waits for the person. */
const blockingCiba: Cell = {
  ...ciba,
  broken: {
    "no request can be made": at("POST /bc-authorize")(failing()),
    "the user refuses": token(failing(403, "access_denied")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const running = call(driver, user, "placeOrder", `ciba-${++threads}`, KETTLE);
    await Promise.race([running.then(() => undefined), answerWhenAsked(world.issuer, user, "approve")]);
    assertApproved((await running).value?.accessToken);
  },
};

function assertApproved(accessToken: string): void {
  assert.deepEqual(claimsOf(accessToken)["authorization_details"], [{ type: "purchase", ...KETTLE }]);
}

const fga: Cell = {
  requests: ["POST /oauth/token", BATCH_CHECK, CHECK],
  broken: {
    "nothing is allowed": at(BATCH_CHECK)(replacing("result", {})),
    "batches fail": at(BATCH_CHECK)(failing(400, "validation_error")),
    "everybody is an owner": at(CHECK)(replacing("allowed", true)),
    "checks fail": at(CHECK)(failing(400, "validation_error")),
  },
  async run(_world, driver) {
    const ask = (userId: string, command: string, params: object) =>
      driver(command, { session: { userId }, threadID: `fga-${++threads}`, ...params });
    const seen = await ask("anne", "filter", { documents: DOCUMENTS });
    assert.deepEqual(seen, [{ id: "d3" }, { id: "d77" }, { id: "d119" }]);
    assert.deepEqual(await ask("nobody", "filter", { documents: DOCUMENTS }), [{ id: "d119" }]);
    assert.deepEqual(await ask("anne", "deleteDocument", { document: "d3" }), { deleted: "d3" });
    assert.match(String(await ask("anne", "deleteDocument", { document: "d77" })), /not allowed/);
  },
};

const DEVICE_CODE = "POST /oauth/device/code";

/** Interrupt with a code, the person enters it, resume. */
const device: Cell = {
  requests: [DEVICE_CODE, "POST /oauth/token"],
  broken: {
    "no code can be had": at(DEVICE_CODE)(failing(400, "invalid_request")),
    "the user code is another": at(DEVICE_CODE)(replacing("user_code", "AAAA-AAAA")),
    "the answer never comes": token(failing(403, "authorization_pending")),
    "the user refuses": token(failing(403, "access_denied")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const threadID = `device-${++threads}`;
    const { interrupt } = await call(driver, user, "readNotes", threadID);
    assert.equal(interrupt?.code, "DEVICE_AUTHORIZATION_PENDING");
    await letDeviceIn(user, interrupt.response);
    const { value } = await call(driver, user, "readNotes", threadID);
    const wanted = { audience: NOTES, scope: "notes:read", userId: user.userId };
    assertTokenFor(String(value?.accessToken), wanted);
  },
};

/** The tool waits, and tells the host of the code. */
const blockingDevice: Cell = {
  ...device,
  broken: {
    "no code can be had": at(DEVICE_CODE)(failing(400, "invalid_request")),
    "the user refuses": token(failing(403, "access_denied")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const told = driver.notices.length;
    const running = call(driver, user, "readNotes", `device-${++threads}`);
    await Promise.race([running.then(() => undefined), until(() => driver.notices.length > told)]);
    const notice = driver.notices[told] as DeviceCode | undefined;
    if (notice) await letDeviceIn(user, notice);
    const { value } = await running;
    assertTokenFor(String(value?.accessToken), { audience: NOTES, scope: "notes:read", userId: user.userId });
  },
};

interface DeviceCode {
  readonly verificationUri: string;
  readonly userCode: string;
}

async function letDeviceIn(user: User, { verificationUri, userCode }: DeviceCode): Promise<void> {
  const form = await user.agent.open(verificationUri);
  const page = await user.agent.submit(form, { user_code: userCode });
  const done = await user.agent.submit(page, { decision: "allow" });
  assert.match(done.text, /The device is logged in/);
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 200, "nothing was told within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The variables that the packages read for the FGA API. */
async function fgaEnvironment(world: World): Promise<Record<string, string>> {
  return {
    FGA_API_URL: world.issuer.replace(/\/$/, ""),
    FGA_STORE_ID: await createStore(world.issuer),
    FGA_API_TOKEN_ISSUER: world.domain,
    FGA_API_AUDIENCE: `${world.issuer}fga/`,
    FGA_CLIENT_ID: "assistant",
    FGA_CLIENT_SECRET: TEST_SECRET,
  };
}

const features: Subject["features"] = {
  login: notOffered,
  session: notOffered,
  par: notOffered,
  refresh: notOffered,
  logout_v2: notOffered,
  logout_oidc: notOffered,
  backchannel_logout: notOffered,
  connect: notOffered,
  vault,
  ciba,
  device,
  client_credentials: notOffered,
  fga,
  userinfo: notOffered,
  verify: notOffered,
  dpop: notOffered,
  private_key_jwt: notOffered,
  organizations: notOffered,
  passwordless: notOffered,
  mfa: notOffered,
  passkey: notOffered,
};

export const ai: Subject = {
  package: "@auth0/ai",
  version: "5.1.1",
  folder: "ai-vercel",
  driver: "base-driver.cjs",
  quick: true,
  env: fgaEnvironment,
  features,
};

export const aiVercel: Subject = {
  package: "@auth0/ai-vercel",
  version: "4.1.0",
  folder: "ai-vercel",
  driver: "driver.cjs",
  quick: true,
  env: fgaEnvironment,
  features,
};

export const aiLangchain: Subject = {
  package: "@auth0/ai-langchain",
  version: "3.5.2",
  folder: "ai-langchain",
  driver: "driver.cjs",
  quick: false,
  note: "`@auth0/ai-langchain` 3.5.2 does not load beside `@auth0/ai` 5, whose folders have other names; it runs beside 4.0.1.",
  env: fgaEnvironment,
  features,
};

export const aiLlamaindex: Subject = {
  package: "@auth0/ai-llamaindex",
  version: "5.0.2",
  folder: "ai-llamaindex",
  driver: "driver.cjs",
  quick: false,
  note: "`@auth0/ai-llamaindex` gives each run of a tool another id, so a second run does not find the question of the first: it is run in its `block` mode.",
  env: fgaEnvironment,
  features: { ...features, ciba: blockingCiba, device: blockingDevice },
};
