/**
 * The kinds of value at their edges: what each takes, what it becomes, and what it refuses.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  authorityOrNull,
  bodyTextOrNull,
  expectedFields,
  sentFields,
} from "../../../src/config/probe-values.ts";
import {
  addressOrAddressAndPort,
  addressOrCidr,
  autoOrCount,
  backendUrl,
  countOrAuto,
  duration,
  host,
  mediaType,
  ratio,
  size,
  sizeOrUnlimited,
  statusRanges,
  viaName,
  wholeNumberOrUnlimited,
} from "../../../src/config/values.ts";

const KINDS: readonly {
  name: string;
  schema: { safeParse(input: unknown): { success: boolean; data?: unknown } };
  takes: readonly (readonly [input: unknown, value: unknown])[];
  refuses: readonly unknown[];
}[] = [
  {
    name: "a duration",
    schema: duration("0s", "24h"),
    takes: [
      ["0s", 0],
      ["0ms", 0],
      ["250ms", 250],
      ["30s", 30_000],
      ["10m", 600_000],
      ["1h", 3_600_000],
      ["24h", 86_400_000],
      ["1440m", 86_400_000],
    ],
    refuses: [
      0,
      30,
      "30",
      "",
      "s",
      "-1s",
      "1.5s",
      "1 s",
      " 1s",
      "1S",
      "1d",
      "1h30m",
      "25h",
      "86400001ms",
      null,
      {},
    ],
  },
  {
    name: "a duration with a least value",
    schema: duration("1ms", "1s"),
    takes: [
      ["1ms", 1],
      ["1s", 1000],
    ],
    refuses: ["0s", "0ms", "1001ms", "999999999999h", "9".repeat(400)],
  },
  {
    name: "a size",
    schema: size("1B", "1GiB"),
    takes: [
      ["512B", 512],
      ["16KiB", 16_384],
      ["8MiB", 8_388_608],
      ["1GiB", 1_073_741_824],
    ],
    refuses: [
      "0B",
      16,
      "16",
      "16KB",
      "16k",
      "16kib",
      "1.5MiB",
      "2GiB",
      "unlimited",
      "1constructor",
      [],
      true,
    ],
  },
  {
    name: "a size or unlimited",
    schema: sizeOrUnlimited("0B", "1GiB"),
    takes: [
      ["unlimited", Number.POSITIVE_INFINITY],
      ["0B", 0],
      ["1MiB", 1_048_576],
    ],
    refuses: ["infinite", Number.POSITIVE_INFINITY, 1, "2GiB", null],
  },
  {
    name: "status codes",
    schema: statusRanges(),
    takes: [
      [200, [{ from: 200, to: 200 }]],
      ["200", [{ from: 200, to: 200 }]],
      ["200-399", [{ from: 200, to: 399 }]],
      [
        "200,204, 300-399",
        [
          { from: 200, to: 200 },
          { from: 204, to: 204 },
          { from: 300, to: 399 },
        ],
      ],
    ],
    refuses: ["", "ok", 99, 600, "20", "399-200", "200-", "-200", "200,", "2xx", null, [200]],
  },
  {
    name: "a probe's host",
    schema: authorityOrNull("switch.probe"),
    takes: [null, "a", "app.example.com", "App.Example:1", "10.0.0.1:65535", "[::1]", "[fd00::1]:80"].map(
      (value) => [value, value] as const,
    ),
    refuses: [
      "",
      ":80",
      "a:",
      "a:0",
      "a:65536",
      "a:080000",
      "::1",
      "[::1",
      "[::1]x",
      "[a]",
      "[fe80::1%eth0]",
      "10.0.0.256",
      "a b",
      "a/",
      "http://a",
      "u@a",
      "a\r\nX: y",
      "a\n",
      80,
      ["a"],
    ],
  },
  {
    name: "the fields of a probe",
    schema: sentFields("switch.probe"),
    takes: [
      [null, []],
      [{}, []],
      [{ "X-Probe": "" }, [{ name: "X-Probe", value: "" }]],
      [{ Via: "a b" }, [{ name: "Via", value: "a b" }]],
    ],
    refuses: [
      "X: y",
      [],
      ...[" a", "a ", "a\tb\t", "a\r\nb", "a\0", "ä", "x".repeat(4_097), 1, null, true, {}].map((value) => ({
        "X-A": value,
      })),
      ...["", "X A", "X:", "Ä", "x".repeat(65), "X\r\nY"].map((name) => ({ [name]: "a" })),
      ...[
        "host",
        "Content-Length",
        "TRANSFER-ENCODING",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
      ].map((name) => ({ [name]: "a" })),
      ...[
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "Proxy",
        "Expect",
      ].map((name) => ({ [name]: "a" })),
    ],
  },
  {
    name: "expected fields",
    schema: expectedFields(),
    takes: [
      [null, []],
      [{ "X-Version": " v2\t" }, [{ name: "x-version", value: "v2" }]],
      [{ Connection: "close" }, [{ name: "connection", value: "close" }]],
      [
        { A: "*", B: null, C: "" },
        [
          { name: "a", value: null },
          { name: "b", value: null },
          { name: "c", value: "" },
        ],
      ],
    ],
    refuses: ["a", [], { A: 1 }, { A: "ä" }, { A: "a\n" }, { "A B": null }, { A: "1", a: "2" }],
  },
  {
    name: "a text of a body",
    schema: bodyTextOrNull(),
    takes: [null, "a", "ä\n", "x".repeat(1_024)].map((value) => [value, value] as const),
    refuses: ["", "x".repeat(1_025), "\ud800", 1, true, ["a"]],
  },
  {
    name: "a DNS server",
    schema: addressOrAddressAndPort(),
    takes: ["10.0.0.53", "10.0.0.53:5353", "10.0.0.53:65535", "::1", "fd00::53", "[::1]:53"].map(
      (text) => [text, text] as const,
    ),
    refuses: [
      "",
      "dns.example.com",
      "localhost:53",
      "10.0.0.53:",
      "10.0.0.53:0",
      "10.0.0.53:053",
      "10.0.0.53:65536",
      "10.0.0:53",
      "10.0.0.256:53",
      "[10.0.0.53]:53",
      "[::1]",
      "[::1]:",
      "[::1:53",
      "fe80::1%eth0",
      "[fe80::1%eth0]:53",
      "10.0.0.53, 10.0.0.54",
      53,
      null,
    ],
  },
  {
    name: "an address or CIDR",
    schema: addressOrCidr(),
    takes: ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8", "0.0.0.0/0", "::/128"].map(
      (text) => [text, text] as const,
    ),
    refuses: [
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0",
      "localhost",
      "fe80::1%eth0",
      "",
      10,
    ],
  },
  {
    name: "a host",
    schema: host(),
    takes: ["0.0.0.0", "::", "localhost", "proxy-1.example.com", "my_host"].map(
      (text) => [text, text] as const,
    ),
    refuses: ["", "a b", "[::1]", "http://a", "a:80", "10.0.0.256", "1.2", "-a", "*", 1],
  },
  {
    name: "a backend URL",
    schema: backendUrl(),
    takes: [
      ["http://a", "http://a"],
      ["http://A:80/", "http://a"],
      ["HTTPS://a:443", "https://a"],
      ["https://a:8443", "https://a:8443"],
      ["http://[::1]:9001", "http://[::1]:9001"],
      ["http://10.0.0.1:9000", "http://10.0.0.1:9000"],
    ],
    refuses: [
      "http:a",
      "http:/a",
      "//a",
      "a",
      "ws://a",
      "http://a/b",
      "http://a/.",
      "http://:80",
      "http://127.1",
      " http://a",
      "http://@a",
    ],
  },
  {
    name: "a number of workers",
    schema: countOrAuto(256, () => 7),
    takes: [
      ["auto", 7],
      [1, 1],
      [256, 256],
    ],
    refuses: [0, 257, -1, 1.5, "2", "Auto", null],
  },
  {
    name: "a number, or auto that is resolved later",
    schema: autoOrCount(0, 1_000),
    takes: [
      ["auto", "auto"],
      [0, 0],
      [1_000, 1_000],
    ],
    refuses: [1_001, -1, 1.5, "2", "Auto", null],
  },
  {
    name: "a whole number or unlimited",
    schema: wholeNumberOrUnlimited(1, 100),
    takes: [
      ["unlimited", Number.POSITIVE_INFINITY],
      [1, 1],
      [100, 100],
    ],
    refuses: [0, 101, -1, 1.5, "1", "Unlimited", "auto", Number.POSITIVE_INFINITY, Number.NaN, null],
  },
  {
    name: "a share",
    schema: ratio(),
    takes: [
      [0, 0],
      [0.2, 0.2],
      [1, 1],
    ],
    refuses: [-0.01, 1.01, "0.2", "20%", 20, "", Number.NaN, Number.POSITIVE_INFINITY, true, null],
  },
  {
    name: "a media type",
    schema: mediaType(),
    takes: ["text/event-stream", "application/vnd.api+json", "video/*"].map((text) => [text, text] as const),
    refuses: [
      "text",
      "text/",
      "/plain",
      "*/*",
      "*/plain",
      "text/*stream",
      "Text/plain",
      "text/plain; charset=utf-8",
      "text/plain ",
      "text/a/b",
      `text/${"x".repeat(65)}`,
      "",
      1,
      null,
    ],
  },
  {
    name: "a name in Via",
    schema: viaName(),
    takes: ["auto", "off", "edge-1", "edge_1.example.com", "example.com:8080", "x".repeat(64)].map(
      (text) => [text, text] as const,
    ),
    refuses: [
      "",
      "a b",
      "a,b",
      "a:",
      ":80",
      "a:b",
      "a:80:80",
      "::1",
      "a/b",
      "ä",
      "OFF",
      "Auto",
      "on",
      "x".repeat(65),
      "a\r\nb",
      1,
      false,
      true,
      null,
    ],
  },
];

for (const { name, schema, takes, refuses } of KINDS) {
  test(`${name}: takes what is good`, () => {
    for (const [input, value] of takes) assert.deepEqual(schema.safeParse(input).data, value, String(input));
  });
  test(`${name}: refuses what is not`, () => {
    for (const input of refuses) assert.equal(schema.safeParse(input).success, false, JSON.stringify(input));
  });
}

test("no duration that a timer waits for overflows setTimeout", () => {
  const longest = duration("0s", "24h").parse("24h");
  assert.ok(longest < 2 ** 31 - 1);
});
