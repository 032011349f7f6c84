import { BlockList, isIP } from "node:net";

/**
 * Whether an address must not be reached without the operator's word: loopback, private, link-local,
 * carrier, documentation, multicast, and every IPv6 form that carries an IPv4 address inside (mapped,
 * NAT64, 6to4, Teredo). What is no address at all counts as private.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 sibling
 */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return specialIpv4.check(address, "ipv4");
  if (family === 6) return !globalUnicast.check(address, "ipv6") || specialIpv6.check(address, "ipv6");
  return true;
}

// Two lists: in one, Node compares IPv4 addresses with IPv6 rules in their mapped form, and `::ffff:0:0/96`
// would then match every IPv4 address there is.
const specialIpv4 = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  specialIpv4.addSubnet(network, prefix, "ipv4");

/** The only part of IPv6 that is handed out; all else is special by definition. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/** Special blocks inside it: protocol assignments with Teredo, documentation, 6to4. */
const specialIpv6 = new BlockList();
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const)
  specialIpv6.addSubnet(network, prefix, "ipv6");
