/**
 * The command line: what it means, and what a mistake in it gets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArguments, UsageError } from "../../../src/cli/arguments.ts";

test("no arguments mean serve", () => {
  assert.deepEqual(parseArguments([]), { command: "serve", flags: {} });
});

test("a command and its flags come in any order and form", () => {
  const expected = { command: "check", flags: { config: "a.yaml", port: "80" } };
  assert.deepEqual(parseArguments(["check", "--config", "a.yaml", "--port=80"]), expected);
  assert.deepEqual(parseArguments(["--config=a.yaml", "check", "--port", "80"]), expected);
});

test("every flag is handed on as text, --backend as a list", () => {
  const { flags } = parseArguments(
    (
      "--config c --host h --port 1 --backend v1=http://a --backend v2=http://b --active-version v2 --workers 2 " +
      "--state-dir s --admin-host ah --admin-port 3 --log-level warn"
    )
      .trim()
      .split(" "),
  );
  assert.deepEqual(flags, {
    config: "c",
    host: "h",
    port: "1",
    backend: ["v1=http://a", "v2=http://b"],
    "active-version": "v2",
    workers: "2",
    "state-dir": "s",
    "admin-host": "ah",
    "admin-port": "3",
    "log-level": "warn",
  });
});

test("a flag of one command is handed on to it", () => {
  assert.deepEqual(parseArguments(["history", "--limit", "3"]), {
    command: "history",
    flags: { limit: "3" },
  });
});

test("of a flag given twice the last one counts", () => {
  assert.equal(parseArguments(["--port", "1", "--port", "2"]).flags.port, "2");
});

for (const [argv, command] of [
  [["history"], "history"],
  [["history", "verify"], "history verify"],
  [["history", "--state-dir", "s", "verify"], "history verify"],
  [["help"], "help"],
  [["version"], "version"],
  [["--help"], "help"],
  [["-h"], "help"],
  [["-v"], "version"],
  [["--version"], "version"],
  [["chekc", "--bogus", "--help"], "help"],
] as const) {
  test(`${argv.join(" ")} means ${command}`, () => {
    assert.equal(parseArguments(argv).command, command);
  });
}

for (const [argv, expected] of [
  [["--prot", "1"], "unknown flag --prot; did you mean --port?"],
  [["--admin-token", "s3cret"], "unknown flag --admin-token"],
  [["--admin-token=s3cret"], "unknown flag --admin-token"],
  [["-x"], "unknown flag -x"],
  [["--__proto__", "1"], "unknown flag --__proto__"],
  [["chekc"], 'unknown command "chekc"; did you mean check?'],
  [
    ["zzzzzz"],
    'unknown command "zzzzzz"; known are serve, check, drill, history, history verify, help, version',
  ],
  [["constructor"], 'unknown command "constructor"; known are'],
  [["history", "verfy"], 'unknown command "history verfy"; did you mean history verify?'],
  [["verify"], 'unknown command "verify"; known are'],
  [["history", "verify", "x"], 'unexpected argument "x"'],
  [["check", "verify"], 'unexpected argument "verify"'],
  [["serve", "--limit", "3"], "--limit is no flag of serve"],
  [["history", "verify", "--limit", "3"], "--limit is no flag of history verify"],
  [["check", "config.yaml"], 'unexpected argument "config.yaml"'],
  [["--port"], "--port needs a value: --port PORT"],
  [["--port="], "--port needs a value"],
  [["--config", ""], "--config needs a value"],
  [["--port", "--host", "x"], "--port needs a value"],
  [["--json"], "--json is no flag of serve"],
  [["check", "--switches", "3"], "--switches is no flag of check"],
  [["drill", "--port", "80"], "--port is no flag of drill"],
  [["drill", "--switches"], "--switches needs a value: --switches N"],
] as const) {
  test(`${argv.join(" ")} is refused in two lines`, () => {
    assert.throws(
      () => parseArguments(argv),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.equal(error.exitCode, 2);
        assert.ok(error.message.startsWith(expected), error.message);
        assert.ok(error.message.endsWith("\nsee traffic-switching --help"));
        assert.ok(!error.message.includes("s3cret"));
        return true;
      },
    );
  });
}
