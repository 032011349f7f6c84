import assert from "node:assert/strict";
import { test } from "node:test";
import type { CalendarEvent } from "./events.ts";
import { callApi, connect, movableClock, provider, refusalOf } from "./testing.ts";

const NOW = Date.parse("2026-05-04T10:00:00Z");
const INVALID = { status: 400, error: "invalid_request" };

async function eventsOf(response: Response): Promise<CalendarEvent[]> {
  assert.equal(response.status, 200);
  // The provider under test; each test looks at the members it needs.
  return ((await response.json()) as { events: CalendarEvent[] }).events;
}

const json = (body: unknown) => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});
const LUNCH = { title: "Lunch", start: "2026-05-04T12:00:00+02:00", end: "2026-05-04T13:00:00+02:00" };

test("me says whose calendar it is", async (t) => {
  const at = await provider(t);
  const { access_token } = await connect(at, {}, "acc_work");
  assert.deepEqual(await (await callApi(at, "/calendar/v1/me", access_token)).json(), {
    id: "acc_work",
    name: "Anne Lee",
    email: "anne.lee@work.example",
  });
});

test("userinfo tells what the scopes allow", async (t) => {
  const at = await provider(t);
  const all = await connect(at, { scope: "profile email" });
  assert.deepEqual(await (await callApi(at, "/userinfo", all.access_token)).json(), {
    sub: "acc_personal",
    name: "Anne Lee",
    email: "anne.lee@calendar.example",
    email_verified: true,
  });
  const none = await connect(at, { scope: "calendar.read" });
  assert.deepEqual(await (await callApi(at, "/userinfo", none.access_token)).json(), { sub: "acc_personal" });
});

test("events are those of the current day and the six after it", async (t) => {
  const at = await provider(t, { clock: () => NOW });
  const { access_token } = await connect(at);
  const events = await eventsOf(await callApi(at, "/calendar/v1/events", access_token));
  assert.deepEqual(
    events.map(({ title, start }) => [title, start]),
    [
      ["Dentist", "2026-05-04T08:00:00.000Z"],
      ["Dinner with the neighbours", "2026-05-04T19:30:00.000Z"],
      ["Piano lesson", "2026-05-05T17:15:00.000Z"],
      ["Day trip to the coast", "2026-05-07T09:00:00.000Z"],
      ["Brunch", "2026-05-10T11:00:00.000Z"],
    ],
  );
});

test("events move with the clock", async (t) => {
  const { clock, move } = movableClock(NOW);
  const at = await provider(t, { clock });
  at.switches.set({ accessTokenLifeSeconds: 31_536_000 });
  const { access_token } = await connect(at);
  move(86_400_000);
  const [first] = await eventsOf(await callApi(at, "/calendar/v1/events", access_token));
  assert.deepEqual([first?.title, first?.start], ["Dentist", "2026-05-05T08:00:00.000Z"]);
});

test("each account has its own events", async (t) => {
  const at = await provider(t);
  const [one, two] = [await connect(at), await connect(at, {}, "acc_work")];
  const titles = async (token: string) =>
    (await eventsOf(await callApi(at, "/calendar/v1/events", token))).map(({ title }) => title);
  assert.ok(!(await titles(one.access_token)).includes("Team stand-up"));
  assert.ok((await titles(two.access_token)).includes("Team stand-up"));
});

test("from and to choose the events that touch the range", async (t) => {
  const at = await provider(t, { clock: () => NOW });
  const { access_token } = await connect(at);
  const range = "from=2026-05-04T08:30:00Z&to=2026-05-04T19:30:00Z";
  const events = await eventsOf(await callApi(at, `/calendar/v1/events?${range}`, access_token));
  assert.deepEqual(
    events.map(({ title }) => title),
    ["Dentist"],
  );
});

for (const [what, range] of [
  ["a time without an offset", "from=2026-05-04T08:30:00"],
  ["words", "from=tomorrow"],
  ["a day that does not exist", "from=2026-13-40"],
  ["an end before its start", "from=2026-05-04&to=2026-05-03"],
  ["more than a year", "from=2026-01-01&to=2028-01-01"],
]) {
  test(`a range of ${what} is refused`, async (t) => {
    const at = await provider(t);
    const { access_token } = await connect(at);
    assert.deepEqual(
      await refusalOf(await callApi(at, `/calendar/v1/events?${range}`, access_token)),
      INVALID,
    );
  });
}

test("an event that was added is in the list of its account alone", async (t) => {
  const at = await provider(t, { clock: () => NOW });
  const [one, two] = [await connect(at), await connect(at, {}, "acc_work")];
  const response = await callApi(at, "/calendar/v1/events", one.access_token, json(LUNCH));
  assert.equal(response.status, 201);
  // As in eventsOf.
  const added = (await response.json()) as CalendarEvent;
  assert.equal(added.start, "2026-05-04T10:00:00.000Z");
  const has = async (token: string) =>
    (await eventsOf(await callApi(at, "/calendar/v1/events", token))).some(({ id }) => id === added.id);
  assert.deepEqual([await has(one.access_token), await has(two.access_token)], [true, false]);
});

for (const [what, change] of Object.entries({
  "without a title": { title: undefined },
  "with a blank title": { title: "  " },
  "with a number for a title": { title: 5 },
  "with a title of 201 characters": { title: "t".repeat(201) },
  "with a local time": { start: "2026-05-04T12:00:00" },
  "that ends when it starts": { end: LUNCH.start },
  "with a member that is not known": { colour: "red" },
  "with a number for a location": { location: 5 },
})) {
  test(`an event ${what} is refused`, async (t) => {
    const at = await provider(t);
    const { access_token } = await connect(at);
    const response = await callApi(at, "/calendar/v1/events", access_token, json({ ...LUNCH, ...change }));
    assert.deepEqual(await refusalOf(response), INVALID);
  });
}

for (const [path, scope, init] of [
  ["/calendar/v1/events", "calendar.write", {}],
  ["/calendar/v1/events", "calendar.read", json(LUNCH)],
] as const) {
  const method = "method" in init ? init.method : "GET";
  test(`${method} ${path} with ${scope} alone is refused and says which scope it needs`, async (t) => {
    const at = await provider(t);
    const { access_token } = await connect(at, { scope });
    const response = await callApi(at, path, access_token, init);
    assert.match(
      response.headers.get("www-authenticate") ?? "",
      /error="insufficient_scope", scope="calendar\./,
    );
    assert.deepEqual(await refusalOf(response), { status: 403, error: "insufficient_scope" });
  });
}

test("a call without a token is refused without an error code in the header", async (t) => {
  const at = await provider(t);
  const response = await fetch(`${at.url}/calendar/v1/me`);
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="sandbox calendar"');
});

for (const what of ["an invented token", "a truncated token", "a refresh token", "a token in the query"]) {
  test(`${what} is refused`, async (t) => {
    const at = await provider(t);
    const { access_token, refresh_token } = await connect(at);
    const [path, token] = {
      "an invented token": ["", "cal_at_x"],
      "a truncated token": ["", access_token.slice(0, -1)],
      "a refresh token": ["", refresh_token],
      "a token in the query": [`?access_token=${access_token}`, "cal_at_x"],
    }[what] as [string, string]; // The titles above are the keys.
    const response = await callApi(at, `/calendar/v1/me${path}`, token);
    assert.match(response.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
    assert.deepEqual(await refusalOf(response), { status: 401, error: "invalid_token" });
  });
}
