import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCidr } from "../config-addresses.ts";
import { createAddressReader, networkOf } from "./networks.ts";

describe("who counts as one", () => {
  for (const [address, network] of [
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["2001:db8:0:1::1", "2001:db8:0:1"],
    ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1"],
    ["2001:0db8:0000:0001:0:0:0:9", "2001:db8:0:1"],
    ["2001:db8::", "2001:db8:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["::1", "0:0:0:0"],
  ] as const)
    it(`is ${network} for ${address}`, () => assert.equal(networkOf(address), network));

  it("is somebody else in the next network", () => {
    assert.notEqual(networkOf("2001:db8:0:1::1"), networkOf("2001:db8:0:2::1"));
  });
});

describe("where a request comes from", () => {
  const spoofed = "6.6.6.6, 203.0.113.9";

  it("is the peer when no proxy is trusted, whatever the request says", () => {
    assert.equal(createAddressReader([])("10.0.0.1", spoofed), "10.0.0.1");
  });

  it("is the peer when it is no trusted proxy", () => {
    assert.equal(createAddressReader(["10.0.0.0/8"])("203.0.113.1", spoofed), "203.0.113.1");
  });

  it("is the right-most hop that is no trusted proxy", () => {
    const read = createAddressReader(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]);
    assert.equal(read("10.0.0.1", spoofed), "203.0.113.9");
    assert.equal(read("::ffff:10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3"), "203.0.113.9");
    assert.equal(read("fd00::1", "6.6.6.6,2001:db8::9,192.0.2.7"), "2001:db8::9");
    assert.equal(read("192.0.2.8", spoofed), "192.0.2.8");
  });

  it("is the last proxy when nothing else can be believed", () => {
    const read = createAddressReader(["10.0.0.0/8"]);
    for (const header of [undefined, "", "unknown", "6.6.6.6, _hidden", "6.6.6.6, 1.2.3.4:80", "6.6.6.6,"])
      assert.equal(read("10.0.0.1", header), "10.0.0.1", String(header));
    assert.equal(read("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
    assert.equal(read(undefined, spoofed), undefined);
  });

  it("is set with ranges that are ranges", () => {
    for (const good of ["10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0"])
      assert.equal(isCidr(good), true, good);
    for (const bad of [
      "10.0.0.0/33",
      "::/129",
      "10.0.0/8",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "x",
      "",
      "fe80::1%lo",
      "10.0.0.0/-1",
    ])
      assert.equal(isCidr(bad), false, bad);
  });
});
