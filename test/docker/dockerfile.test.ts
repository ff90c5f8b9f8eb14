/** What the Dockerfile says, without running it; and that the reader of it reads what an engine would. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { environmentOf, execForm, parseDockerfile } from "./dockerfile.ts";
import { createIgnore } from "./ignore.ts";

const stages = parseDockerfile(readFileSync("Dockerfile", "utf8"));
const isIgnored = createIgnore(readFileSync(".dockerignore", "utf8"));
const last = stages.at(-1);

function textsOf(name: string): string[] {
  return (last?.instructions ?? []).filter((one) => one.name === name).map(({ text }) => text);
}

test("the image is built in two stages, both on a slim node pinned to the version that the tests run on", () => {
  const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(devDependencies.node, process.versions.node, "the tests run on the pinned node");
  assert.deepEqual(
    stages.map(({ image }) => image),
    Array(2).fill(`node:${devDependencies.node}-bookworm-slim`),
  );
});

test("the image runs as a user that is not root, given by number", () => {
  assert.match(textsOf("USER").at(-1) ?? "", /^[1-9]\d*:[1-9]\d*$/);
  const names = (last?.instructions ?? []).map(({ name }) => name);
  assert.ok(names.indexOf("USER") > names.lastIndexOf("RUN"));
});

test("no shell stands between the engine and node", () => {
  for (const text of textsOf("ENTRYPOINT")) assert.equal(execForm(text)?.[0], "node");
  assert.equal(textsOf("ENTRYPOINT").length, 1);
  assert.deepEqual(textsOf("CMD"), []); // what follows the image's name on the command line goes to the daemon
  const health = textsOf("HEALTHCHECK").map((text) => execForm(text.replace(/^CMD /, "")));
  assert.deepEqual(
    health.map((words) => words?.slice(0, 2)),
    [["node", "-e"]],
  );
});

test("the daemon is stopped with a signal that it handles, and the state is a volume", () => {
  assert.deepEqual(textsOf("STOPSIGNAL"), ["SIGTERM"]);
  assert.deepEqual(textsOf("VOLUME").map(execForm), [["/state"]]);
  assert.deepEqual(textsOf("EXPOSE"), ["8080 8081"]);
});

test("the last stage installs what runs and nothing else, and takes from the context nothing but named files", () => {
  assert.ok(textsOf("RUN").some((text) => text.startsWith("npm ci --omit=dev")));
  const copied = (last?.instructions ?? []).filter(({ name, flags }) => name === "COPY" && !flags.from);
  assert.deepEqual(
    copied.flatMap(({ text }) => text.split(" ").slice(0, -1)),
    ["package.json", "package-lock.json", "config/config.yaml"],
  );
});

for (const [path, expected] of [
  ["package.json", false],
  ["src/main.ts", false],
  ["src/demo/demo.ts", false],
  ["config/config.yaml", false],
  ["config/.version", true],
  ["config/.history.jsonl", true],
  [".git/config", true],
  [".ci/run", true],
  ["node_modules/zod/index.js", true],
  ["dist/src/main.js", true],
  ["test/architecture.test.ts", true],
  ["bench/results/a.json", true],
] as const) {
  test(`${path} ${expected ? "stays out of" : "is part of"} the build context`, () => {
    assert.equal(isIgnored(path), expected);
  });
}

test("an ignored folder is ignored with what is in it, and the last pattern that matches decides", () => {
  const ignores = createIgnore("# comment\n*\n!src\n/src/secret/\n!src/secret/not.txt\n**/*.log\n");
  const paths = ["a", ".env", "src/b", "src/.env", "src/secret/c", "src/secret/not.txt", "src/deep/d.log"];
  assert.deepEqual(paths.filter(ignores), ["a", ".env", "src/secret/c", "src/deep/d.log"]);
});

test("a Dockerfile is read into stages, with flags, continued lines and comments", () => {
  const text = "# c\nFROM a:1 AS one\nRUN x && \\\n  # c\n  y\n\nFROM b\nCOPY --from=one --chmod=644 /a b/\n";
  const [one, two] = parseDockerfile(text);
  assert.deepEqual([one?.image, one?.name, two?.image, two?.name], ["a:1", "one", "b", ""]);
  assert.deepEqual(one?.instructions, [{ name: "RUN", flags: {}, text: "x &&    y", line: 3 }]);
  assert.deepEqual(two?.instructions, [
    { name: "COPY", flags: { from: "one", chmod: "644" }, text: "/a b/", line: 8 },
  ]);
});

for (const [what, line] of [
  ["an instruction it does not know", "ONBUILD RUN x"],
  ["a here-document", "RUN <<END"],
  ["a variable", "COPY $A b"],
  ["a line that goes on nowhere", "RUN a \\"],
] as const) {
  test(`${what} is an error that names the line`, () => {
    assert.throws(() => parseDockerfile(`FROM a\n${line}\n`), /Dockerfile:2: the replay does not understand/);
  });
}

test("ENV takes several pairs; the exec form is JSON, everything else the shell form", () => {
  const env = { name: "ENV", flags: {}, line: 1 };
  assert.deepEqual(environmentOf({ ...env, text: 'A=b C_D="e f"' }), { A: "b", C_D: "e f" });
  assert.throws(() => environmentOf({ ...env, text: "A b" }));
  assert.deepEqual(execForm('["a", "b c"]'), ["a", "b c"]);
  for (const text of ["a b", "['a']", "[1]"]) assert.equal(execForm(text), null);
});
