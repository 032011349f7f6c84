import { BlockList, isIP } from "node:net";

/**
 * Finds the address a request comes from. `X-Forwarded-For` counts only when the peer is a trusted proxy, and
 * then read from the right: the first address that is no trusted proxy is the last one that somebody we trust has
 * seen. What stands further left anybody could have written.
 */
export function createAddressReader(trustedProxies: readonly string[]) {
  const trusted = new BlockList();
  for (const range of trustedProxies) {
    const [address = "", prefix] = range.split("/");
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    trusted.addSubnet(address, Number(prefix ?? (family === "ipv4" ? 32 : 128)), family);
  }
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");

  return (peer: string | undefined, forwardedFor: string | undefined): string | undefined => {
    const socket = plain(peer ?? "");
    if (trustedProxies.length === 0 || isIP(socket) === 0 || !isTrusted(socket)) return peer;
    let last = socket;
    for (const hop of (forwardedFor ?? "").split(",").reverse()) {
      const address = plain(hop.trim());
      // What is no address ends what can be believed.
      if (isIP(address) === 0) return last;
      last = address;
      if (!isTrusted(address)) return address;
    }
    return last;
  };
}

/** Who counts as one: an IPv4 address, or the 64 bits of an IPv6 address that one household is given. */
export function networkOf(ip: string | undefined): string {
  const address = ip === undefined ? undefined : plain(ip);
  if (!address?.includes(":")) return address ?? "";
  const [head = "", tail] = address.split("::");
  const [front, back] = [head, tail ?? ""].map((part) => part.split(":").filter(Boolean));
  const zeros = tail === undefined ? 0 : 8 - (front?.length ?? 0) - (back?.length ?? 0);
  const groups = [...(front ?? []), ...Array<string>(Math.max(zeros, 0)).fill("0"), ...(back ?? [])];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}

/** Without a zone, and an IPv4 address as itself when it comes in its IPv6 form. */
const plain = (ip: string): string => ip.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
