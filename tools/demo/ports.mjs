// The ports of the demo. A port that somebody else uses is named and left alone.
import { createServer } from "node:net";

export const DEFAULT_PORTS = {
  assistant: 3000,
  server: 4000,
  calendar: 4100,
  shop: 4200,
  mailbox: 4300,
  smtp: 4301,
};

export function portsFrom(base) {
  return {
    assistant: base,
    server: base + 1,
    calendar: base + 2,
    shop: base + 3,
    mailbox: base + 4,
    smtp: base + 5,
  };
}

/** Ports that nobody listens on at the moment. */
export async function freePorts() {
  const probes = await Promise.all(Object.keys(DEFAULT_PORTS).map(() => listen(0, "127.0.0.1")));
  const numbers = probes.map((probe) => probe.address().port);
  await Promise.all(probes.map(close));
  return Object.fromEntries(Object.keys(DEFAULT_PORTS).map((name, i) => [name, numbers[i]]));
}

/** Both loopback addresses: a browser may take either for "localhost". */
export async function requireFree(ports, fail) {
  const taken = [];
  for (const [name, port] of Object.entries(ports))
    if (!(await isFree(port))) taken.push(`${port} (${name})`);
  if (taken.length === 0) return;
  const plural = taken.length > 1 ? "s are" : " is";
  fail(
    `The port${plural} taken by another program: ${taken.join(", ")}.\n` +
      "Stop that program, or choose other ports: npm run demo -- --port-base 5000",
  );
}

async function isFree(port) {
  for (const host of ["127.0.0.1", "::1"]) {
    try {
      await close(await listen(port, host));
    } catch (error) {
      // A machine without IPv6 has no such address, so nobody can be listening on it.
      if (error.code !== "EADDRNOTAVAIL" && error.code !== "EAFNOSUPPORT") return false;
    }
  }
  return true;
}

function listen(port, host) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, host, () => resolve(server));
  });
}

function close(server) {
  return new Promise((resolve) => server.close(resolve));
}
