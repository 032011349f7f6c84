import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isPrivateAddress } from "./addresses.ts";

const PRIVATE = {
  "this network": ["0.0.0.0", "0.255.255.255"],
  "ten network": ["10.0.0.0", "10.255.255.255"],
  "carrier network": ["100.64.0.0", "100.127.255.255"],
  loopback: ["127.0.0.1", "127.255.255.255", "::1"],
  "link-local and cloud metadata": ["169.254.0.0", "169.254.169.254", "fe80::1", "febf::1", "fe80::1%eth0"],
  "private class B": ["172.16.0.0", "172.31.255.255"],
  "protocol assignments": ["192.0.0.0", "192.0.0.170", "2001::1", "2001:1ff::1"],
  documentation: ["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1"],
  "6to4 relay": ["192.88.99.1"],
  "private class C": ["192.168.0.0", "192.168.255.255"],
  benchmarking: ["198.18.0.0", "198.19.255.255"],
  "multicast and reserved": ["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1"],
  unspecified: ["::"],
  "IPv4 inside IPv6": ["::127.0.0.1", "::a9fe:a9fe"],
  "mapped IPv4": [
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "0:0:0:0:0:ffff:7f00:1",
  ],
  "translated IPv4": ["::ffff:0:127.0.0.1"],
  NAT64: ["64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::1"],
  "6to4": ["2002:a9fe:a9fe::", "2002:7f00:1::1"],
  Teredo: ["2001:0:7f00:1::1"],
  "discard only": ["100::1"],
  "unique local": ["fc00::1", "fdff:ffff::1"],
  "site local": ["fec0::1"],
  "segment routing": ["5f00::1"],
  "no address at all": [
    "",
    "localhost",
    "example.com",
    "127.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "[::1]",
  ],
};

const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.0.1.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700:4700::1111",
  "2001:200::1",
  "2001:4860:4860::8888",
  "2a00:1450:4001:80f::200e",
];

describe("private addresses", () => {
  for (const [name, addresses] of Object.entries(PRIVATE))
    it(`are recognised: ${name}`, () => {
      for (const address of addresses) assert.equal(isPrivateAddress(address), true, address);
    });

  it("do not include public ones, on either side of each range", () => {
    for (const address of PUBLIC) assert.equal(isPrivateAddress(address), false, address);
  });
});
