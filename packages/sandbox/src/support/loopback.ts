import { BlockList } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import { Refusal } from "./refusal.ts";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");
LOOPBACK.addSubnet("::ffff:127.0.0.0", 104, "ipv6");

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/** What is looked at of a request's context. */
type Arrival = {
  env: Partial<HttpBindings> | undefined;
  req: { header(name: string): string | undefined };
};

/**
 * Lets a request through only when it comes from a program on this machine: peer address, `Host` (against DNS
 * rebinding), no `Origin` (a web page in a browser sends one), nothing forwarded by a proxy.
 *
 * @throws Refusal 403 `loopback_only`.
 */
export function requireLoopback(c: Arrival): void {
  const peer = c.env?.incoming?.socket?.remoteAddress ?? "";
  const outside =
    !isLoopback(peer) ||
    !LOOPBACK_HOST.test(c.req.header("host") ?? "") ||
    ["origin", "forwarded", "x-forwarded-for"].some((name) => c.req.header(name) !== undefined);
  if (outside) {
    throw new Refusal({
      status: 403,
      error: "loopback_only",
      description:
        "This address serves programs on the same machine only. Call it on 127.0.0.1, without a browser.",
    });
  }
}

function isLoopback(address: string): boolean {
  if (address === "") return false;
  return LOOPBACK.check(address, address.includes(":") ? "ipv6" : "ipv4");
}
