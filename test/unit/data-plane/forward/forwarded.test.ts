/**
 * Who the client is, what is said of him, and whether a message comes round again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clientAddress,
  forwardedElement,
  parseForwardedFor,
  viaEntry,
  viaNames,
} from "../../../../src/data-plane/forward/forwarded.ts";

const isTrusted = (address: string): boolean => address.startsWith("10.") || address.startsWith("fd00:");

for (const [what, peer, forwardedFor, expected] of [
  ["an untrusted peer, whatever it says", "192.0.2.1", "198.51.100.7", "192.0.2.1"],
  ["a trusted peer that says nothing", "10.0.0.1", "", "10.0.0.1"],
  ["whom a trusted peer names", "10.0.0.1", "192.0.2.1", "192.0.2.1"],
  ["the rightmost untrusted one", "10.0.0.1", "198.51.100.7, 192.0.2.1,10.0.0.2", "192.0.2.1"],
  ["the leftmost when all are trusted", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
  ["the last good one before a word", "10.0.0.1", "192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"],
  ["the last good one before a hidden one", "10.0.0.1", "192.0.2.1, _hidden", "10.0.0.1"],
  ["the last good one before an empty entry", "10.0.0.1", "192.0.2.1, , 10.0.0.2", "10.0.0.2"],
  ["the peer when the list ends with a comma", "10.0.0.1", "192.0.2.1,", "10.0.0.1"],
  ["the entry behind a comma that starts the list", "10.0.0.1", ",10.0.0.2", "10.0.0.2"],
  ["an IPv6 address", "fd00::1", "2001:db8::1, fd00::2", "2001:db8::1"],
  ["an IPv6 address in brackets", "10.0.0.1", "[2001:db8::1]", "2001:db8::1"],
  ["an IPv6 address without its port", "10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"],
  ["an IPv6 address in quotes", "10.0.0.1", '"[::1]:443"', "::1"],
  ["an IPv4 address without its port", "10.0.0.1", "192.0.2.1:567", "192.0.2.1"],
  ["an IPv4 address without its highest port", "10.0.0.1", "192.0.2.1:65535", "192.0.2.1"],
  ["an IPv4 address without its hidden port", "10.0.0.1", "192.0.2.1:_http", "192.0.2.1"],
  ["an IPv4 address without its mapping", "10.0.0.1", "192.0.2.1, ::FFFF:10.0.0.2", "192.0.2.1"],
  ["the walk goes on behind a port", "10.0.0.1", "192.0.2.1, 10.0.0.2:80", "192.0.2.1"],
] as const) {
  test(`the client is ${what}`, () => {
    assert.equal(clientAddress(peer, forwardedFor, isTrusted), expected);
  });
}

for (const entry of [
  "192.0.2.1:65536",
  "192.0.2.1:",
  "192.0.2.1:x",
  "192.0.2.1:_",
  "192.0.2.1:1:1",
  "192.0.2.1 80",
  "192.0.2.256",
  "192.0.2",
  "0300.0.2.1",
  "3221225985",
  "[192.0.2.1]",
  "[2001:db8::1",
  "2001:db8::1]",
  "[2001:db8::1]443",
  "[2001:db8::1]:",
  "[2001:db8::1%eth0]",
  "fe80::1%eth0",
  "[]",
  '"',
  '""',
  '"192.0.2.1',
  "example.test",
  "localhost",
  "1".repeat(60_000),
]) {
  test(`${JSON.stringify(entry.slice(0, 30))} is no address and ends the walk`, () => {
    assert.equal(clientAddress("10.0.0.1", `198.51.100.7, ${entry}, 10.0.0.2`, isTrusted), "10.0.0.2");
  });
}

test("a long list costs 32 checks and no more", () => {
  let checks = 0;
  const isAnyTrusted = (): boolean => ++checks > 0;
  assert.equal(clientAddress("10.9.9.9", `192.0.2.1${", 10.0.0.1".repeat(31)}`, isAnyTrusted), "192.0.2.1");
  checks = 0;
  assert.equal(clientAddress("10.9.9.9", `192.0.2.1${", 10.0.0.1".repeat(32)}`, isAnyTrusted), "10.0.0.1");
  assert.equal(checks, 32);
});

for (const [what, value, expected] of [
  ["no field gives no list", "", ""],
  ["an address alone", "for=192.0.2.1", "192.0.2.1"],
  [
    "several elements keep their order",
    "for=192.0.2.1, for=10.0.0.2,for=10.0.0.3",
    "192.0.2.1, 10.0.0.2, 10.0.0.3",
  ],
  ["names are read in any case", "FoR=192.0.2.1", "192.0.2.1"],
  ["for is found among the others", "by=10.0.0.1;proto=http;for=192.0.2.1;host=a", "192.0.2.1"],
  ["an IPv6 address in quotes", 'for="[2001:db8::1]:4711"', "2001:db8::1"],
  ["a quoted IPv4 address and port", 'for="192.0.2.1:80"', "192.0.2.1"],
  ["escapes in quotes are undone", 'for="192.0.2\\.1"', "192.0.2.1"],
  ["commas and semicolons in quotes", 'for=192.0.2.1;host="a,;\\",b", for=10.0.0.2', "192.0.2.1, 10.0.0.2"],
  [
    "an escaped backslash before the end of quotes",
    'for=192.0.2.1;x="\\\\", for=10.0.0.2',
    "192.0.2.1, 10.0.0.2",
  ],
  ["empty parameters", ";for=192.0.2.1;;proto=http;", "192.0.2.1"],
  ["spaces around a semicolon", "for=192.0.2.1 ;\tproto=http", "192.0.2.1"],
  ["unknown ends it", "for=192.0.2.1, for=unknown, for=10.0.0.2", "unknown, 10.0.0.2"],
  ["a hidden name ends it", "for=192.0.2.1, for=_hidden", "unknown"],
  ["an element without for ends it", "for=192.0.2.1, proto=http, for=10.0.0.2", "unknown, 10.0.0.2"],
  ["an empty element ends it", "for=192.0.2.1, , for=10.0.0.2", "unknown, 10.0.0.2"],
  ["an address list in quotes is no address", 'for="192.0.2.1, 10.0.0.2"', "unknown"],
] as const) {
  test(`Forwarded: ${what}`, () => {
    assert.equal(parseForwardedFor(value), expected);
  });
}

for (const element of [
  "for",
  "for=",
  "=192.0.2.1",
  "for =192.0.2.1",
  "for= 192.0.2.1",
  "for=192.0.2.1:80",
  "for=[2001:db8::1]",
  "for=192.0.2.1;for=192.0.2.2",
  "for=192.0.2.1 proto=http",
  'for="192.0.2.1',
  'for=192.0.2.1"',
  'for="192.0.2.1"x',
  'for="192.0.2.1\\"',
  "192.0.2.1",
]) {
  test(`Forwarded: ${element} is malformed, and what is right of it stands`, () => {
    assert.equal(parseForwardedFor(element), "");
    assert.equal(parseForwardedFor(`for=198.51.100.7, ${element}, for=10.0.0.2`), "10.0.0.2");
    const own = `${element}, for=10.0.0.2, for="[2001:db8::1]";host="a,b"`;
    assert.equal(parseForwardedFor(own), "10.0.0.2, 2001:db8::1");
  });
}

test("the client is found in Forwarded as in X-Forwarded-For", () => {
  const list = parseForwardedFor('for=198.51.100.7, for="[2001:db8::1]:80", for=10.0.0.2');
  assert.equal(clientAddress("10.0.0.1", list, isTrusted), "2001:db8::1");
  const forged = parseForwardedFor('for=198.51.100.7, for="192.0.2.9, 10.0.0.3", for=10.0.0.2');
  assert.equal(clientAddress("10.0.0.1", forged, isTrusted), "10.0.0.2");
});

test("a long Forwarded is read for 32 elements, whatever it holds", () => {
  const list = parseForwardedFor("for=10.0.0.1,".repeat(5_000).slice(0, -1));
  assert.equal(list.split(",").length, 32);
  const began = process.cpuUsage();
  for (const evil of ['"', '\\"', " ", ";", "a", "a=a ", "\t;", 'a="\\', ","])
    for (const end of ["", "=", ";x", '"'])
      parseForwardedFor(`for=${evil.repeat(64_000 / evil.length)}${end}`);
  const { user } = process.cpuUsage(began);
  assert.ok(user < 1_000_000, `${user} µs for 36 values of 64 kB`);
});

for (const [what, client, expected] of [
  [
    "an address and a host",
    { address: "192.0.2.1", host: "example.test" },
    "for=192.0.2.1;host=example.test;proto=http;by=_p",
  ],
  [
    "a host with a port in quotes",
    { address: "192.0.2.1", host: "example.test:81" },
    'for=192.0.2.1;host="example.test:81";proto=http;by=_p',
  ],
  [
    "an IPv6 address in brackets and quotes",
    { address: "2001:db8::1", host: "[::1]:81" },
    'for="[2001:db8::1]";host="[::1]:81";proto=http;by=_p',
  ],
  [
    "an address without its zone",
    { address: "fe80::1%eth0", host: "a" },
    'for="[fe80::1]";host=a;proto=http;by=_p',
  ],
  [
    "escapes for what would end the quotes",
    { address: "192.0.2.1", host: 'a"b\\c,d;e' },
    'for=192.0.2.1;host="a\\"b\\\\c,d;e";proto=http;by=_p',
  ],
  ["unknown for what is no address", { address: "", host: "a" }, "for=unknown;host=a;proto=http;by=_p"],
  ["no host when there is none", { address: "192.0.2.1", host: null }, "for=192.0.2.1;proto=http;by=_p"],
  ["no host when it is empty", { address: "192.0.2.1", host: "" }, "for=192.0.2.1;proto=http;by=_p"],
  [
    "no host that cannot be quoted",
    { address: "192.0.2.1", host: "a\r\nb" },
    "for=192.0.2.1;proto=http;by=_p",
  ],
] as const) {
  test(`Forwarded says ${what}`, () => {
    assert.equal(forwardedElement({ ...client, protocol: "http", by: "p" }), expected);
  });
}

test("Forwarded says https when it was", () => {
  const element = forwardedElement({ address: "192.0.2.1", host: null, protocol: "https", by: "p" });
  assert.equal(element, "for=192.0.2.1;proto=https;by=_p");
});

test("what we say in Forwarded, we can read", () => {
  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    const element = forwardedElement({ address, host: 'a", for=10.0.0.9;b="', protocol: "http", by: "p" });
    assert.equal(parseForwardedFor(`for=198.51.100.7, ${element}`), `198.51.100.7, ${address}`);
  }
});

test("Via says the version a message came in", () => {
  assert.equal(viaEntry(1, "proxy-a"), "1.1 proxy-a");
  assert.equal(viaEntry(0, "proxy-a"), "1.0 proxy-a");
});

for (const value of [
  "1.1 proxy-a",
  "1.0 Proxy-A",
  "HTTP/1.1 proxy-a",
  "2 proxy-a",
  "1.1\t proxy-a ",
  "1.1 first, 1.1 proxy-a",
  "1.1 proxy-a,1.1 last",
  "1.1 proxy-a (a comment, with (another), in it)",
  "1.1 proxy-a(a comment)",
  "1.1 first (a, (b), \\) c), 1.1 proxy-a",
  "1.1 first (\\\\), 1.1 proxy-a",
  "1.1 first (open, 1.1 proxy-a",
  "1.1 first (open, 1.1 proxy-a, 1.1 last (closed)",
  "1.1 first ((open), 1.1 proxy-a",
  "1.1 first (\\, 1.1 proxy-a",
  "1.1 first ), 1.1 proxy-a",
  ", , 1.1 proxy-a",
]) {
  test(`Via names us in ${JSON.stringify(value)}`, () => {
    assert.equal(viaNames(value, "proxy-a"), true);
    assert.equal(viaNames(value.toUpperCase(), "Proxy-a"), true);
  });
}

for (const value of [
  "",
  "proxy-a",
  "1.1 first",
  "1.1 proxy-ab",
  "1.1 my-proxy-a",
  "1.1 proxy-a:8080",
  "1.1 proxy-a.test",
  "proxy-a 1.1",
  "1.1 first proxy-a",
  "1.1 first (proxy-a)",
  "1.1 first (x, 1.1 proxy-a, y)",
  "1.1 first (x (y), 1.1 proxy-a)",
  "1.1 first (\\), 1.1 proxy-a )",
]) {
  test(`Via does not name us in ${JSON.stringify(value)}`, () => {
    assert.equal(viaNames(value, "proxy-a"), false);
  });
}

test("Via names us with our port when that is our name", () => {
  assert.equal(viaNames("1.1 proxy-a:8080", "proxy-a:8080"), true);
  assert.equal(viaNames("1.1 proxy-a:80801", "proxy-a:8080"), false);
});
