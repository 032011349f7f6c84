import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { createProfileSource } from "./profile-source.ts";
import { useUser } from "./react.ts";

function Greeting() {
  const { user, isLoading } = useUser();
  return createElement("p", null, isLoading ? "loading" : String(user?.["name"]));
}

test("a page rendered on the server is loading: it shares nobody's profile", () => {
  assert.equal(renderToString(createElement(Greeting)), "<p>loading</p>");
});

test("a profile is fetched once for all who ask, and they hear of it", async () => {
  let fetched = 0;
  const source = createProfileSource("/auth/profile", async () => {
    fetched += 1;
    return Response.json({ name: "Anne" });
  });
  assert.deepEqual(source.state(), { user: undefined, isLoading: true, error: undefined });
  await new Promise<void>((resolve) => {
    source.subscribe(() => {});
    source.subscribe(resolve);
  });
  assert.deepEqual(source.state(), { user: { name: "Anne" }, isLoading: false, error: undefined });
  assert.equal(source.state(), source.state());
  assert.equal(fetched, 1);
});

test("nobody logged in is no error, and a failure is no logout", async () => {
  const answers = [new Response(null, { status: 401 }), new Response(null, { status: 500 })];
  const source = createProfileSource(
    "/auth/profile",
    async () => answers.shift() ?? Promise.reject(new Error("down")),
  );
  await source.refresh();
  assert.deepEqual(source.state(), { user: undefined, isLoading: false, error: undefined });
  await source.refresh();
  assert.match(source.state().error?.message ?? "", /500/);
  await source.refresh();
  assert.equal(source.state().error?.message, "down");
});

test("of two answers the later question's counts, whichever comes first", async () => {
  const releases: ((response: Response) => void)[] = [];
  const source = createProfileSource("/auth/profile", () => new Promise((resolve) => releases.push(resolve)));
  const [first, second] = [source.refresh(), source.refresh()];
  releases[1]?.(Response.json({ name: "Bob" }));
  await second;
  releases[0]?.(Response.json({ name: "Anne" }));
  await first;
  assert.equal(source.state().user?.["name"], "Bob");
});
