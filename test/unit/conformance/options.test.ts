import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../conformance/options.ts";

test("without arguments the daemon alone is asked everything", () => {
  assert.deepEqual(parseOptions([]), {
    isWithPeers: false,
    target: undefined,
    only: "",
    jsonFile: undefined,
    markdownFile: undefined,
  });
});

test("a target is a host and a port, of IPv6 too", () => {
  for (const [text, host] of [
    ["proxy.example:80", "proxy.example"],
    ["[::1]:80", "::1"],
  ]) {
    const options = parseOptions(["--target", text ?? "", "--backend-port", "9000"]);
    assert.deepEqual(options !== "help" && options.target, { host, port: 80, backendPort: 9000 });
  }
});

const WRONG: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [["--target", "h:80"], /--target and --backend-port go together/],
  [["--backend-port", "80"], /--target and --backend-port go together/],
  [["--target", "h", "--backend-port", "80"], /--target takes HOST:PORT, not "h"/],
  [["--target", "h:0", "--backend-port", "80"], /--target takes a port from 1 to 65535, not "0"/],
  [["--target", "h:80", "--backend-port", "65536"], /--backend-port takes a port/],
  [["--target", "h:80", "--backend-port", "80", "--peers"], /leave --peers out/],
  [["--nonsense"], /Unknown option/],
  [["word"], /Unexpected argument/],
];
for (const [args, says] of WRONG) {
  test(`${args.join(" ")} is refused with ${says.source}`, () => {
    assert.throws(() => parseOptions(args), says);
  });
}

test("--help wins over the rest", () => {
  assert.equal(parseOptions(["--help", "--peers"]), "help");
});
