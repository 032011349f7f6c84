import { closedLoop } from "./load.ts";
import { FGA_KEY, startWorld } from "./world.ts";

const DOCUMENTS = 2_000;
const USERS = 200;
const headers = { "content-type": "application/json", authorization: `Bearer ${FGA_KEY}` };

const MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "group",
      relations: { member: { this: {} } },
      metadata: { relations: { member: { directly_related_user_types: [{ type: "user" }] } } },
    },
    {
      type: "doc",
      relations: {
        owner: { this: {} },
        viewer: { this: {} },
        can_view: {
          union: {
            child: [{ computedUserset: { relation: "owner" } }, { computedUserset: { relation: "viewer" } }],
          },
        },
      },
      metadata: {
        relations: {
          owner: { directly_related_user_types: [{ type: "user" }] },
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "group", relation: "member" }] },
        },
      },
    },
  ],
};

/** `/check` and `/batch-check` of 50 over HTTP with a preshared key, half of the answers allowed. */
export async function bench() {
  const world = await startWorld();
  try {
    const post = async (path: string, body: unknown) =>
      (await fetch(`${world.issuer}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
    const { id: store } = await post("stores", { name: "bench" });
    await post(`stores/${store}/authorization-models`, MODEL);
    await load(post, store);
    const url = `${world.issuer}stores/${store}`;
    const check = await closedLoop(
      (i) => ({
        url: `${url}/check`,
        headers,
        body: JSON.stringify({ tuple_key: question(i), consistency: "MINIMIZE_LATENCY" }),
      }),
      {
        connections: 32,
        seconds: 5,
        cpuSeconds: world.cpuSeconds,
      },
    );
    const batch = await closedLoop(
      (i) => ({
        url: `${url}/batch-check`,
        headers,
        body: JSON.stringify({
          checks: Array.from({ length: 50 }, (_, n) => ({
            tuple_key: question(i * 50 + n),
            correlation_id: String(n),
          })),
        }),
      }),
      { connections: 32, seconds: 5, cpuSeconds: world.cpuSeconds },
    );
    return { check, batch_check_50: batch };
  } finally {
    await world.stop();
  }
}

/** Documents belong to one user each and are seen by one group of ten. */
async function load(post: (path: string, body: unknown) => Promise<unknown>, store: string): Promise<void> {
  const tuples = [
    ...Array.from({ length: USERS }, (_, i) => ({
      user: `user:${i}`,
      relation: "member",
      object: `group:${i % 20}`,
    })),
    ...Array.from({ length: DOCUMENTS }, (_, i) => ({
      user: `user:${i % USERS}`,
      relation: "owner",
      object: `doc:${i}`,
    })),
    ...Array.from({ length: DOCUMENTS }, (_, i) => ({
      user: `group:${i % 20}#member`,
      relation: "viewer",
      object: `doc:${i}`,
    })),
  ];
  for (let at = 0; at < tuples.length; at += 100)
    await post(`stores/${store}/write`, { writes: { tuple_keys: tuples.slice(at, at + 100) } });
}

/** Even questions are allowed through the group, odd ones are not. */
function question(i: number) {
  const doc = (i * 7) % DOCUMENTS;
  const user = i % 2 === 0 ? doc % 20 : (doc + 1) % 20;
  return { user: `user:${user}`, relation: "can_view", object: `doc:${doc}` };
}
