/** The state folder: a restart finds what was switched to, and whatever happened to the files, the daemon starts. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  appendFile,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { request } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { runDaemon, type Status } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const run = promisify(execFile);

// One daemon, stopped and started again over the same folder: each test puts the folder into a known state.
const { v2, proxy } = await startPair({ after });
const versionFile = join(proxy.stateDir, ".version");
const historyFile = join(proxy.stateDir, ".history.jsonl");

interface State {
  readonly source: string;
  readonly damaged: boolean;
  readonly problems: readonly string[];
}

async function stateOf(): Promise<State> {
  return (await proxy.status()).state as State;
}

/** Ends the daemon, changes the folder, starts it again. */
async function restartWith(change: () => Promise<unknown>): Promise<Status> {
  if (proxy.isRunning) await proxy.kill();
  await proxy.allGone();
  await change();
  proxy.start();
  await proxy.waitReady();
  return await proxy.status();
}

async function emptyFolder(): Promise<void> {
  for (const name of await readdir(proxy.stateDir)) {
    await rm(join(proxy.stateDir, name), { recursive: true, force: true });
  }
}

/** The history of switches to v2, v1 and v2, made once by the daemon itself. */
let threeSwitches = "";

/** The folder as those switches left it: v2 is active at epoch 3. To be called while no daemon runs. */
async function writeThreeSwitches(): Promise<void> {
  await emptyFolder();
  await writeFile(historyFile, threeSwitches);
  await writeFile(versionFile, "v2\n");
}

async function assertServes(version: "v1" | "v2", epoch: number): Promise<void> {
  const status = await proxy.status();
  assert.deepEqual([status.current_version, status.epoch], [version, epoch]);
  assert.equal((await request(proxy.port)).body, version);
}

/** The switch after whatever happened works and leaves sound files. */
async function assertNextSwitchWorks(): Promise<void> {
  const { current_version: from, epoch } = await proxy.status();
  const to = from === "v1" ? "v2" : "v1";
  await proxy.switchTo(to);
  await assertServes(to, epoch + 1);
  assert.match(await readFile(versionFile, "utf8"), new RegExp(`^${to}\n?$`));
  assert.equal((await stateOf()).damaged, false);
}

test("the first start leaves no .version: the config's active_version serves", {
  timeout: 30_000,
}, async () => {
  await assertServes("v1", 0);
  const { source, damaged } = await stateOf();
  assert.deepEqual([source, damaged], ["config", false]);
  const files = (await readdir(proxy.stateDir)).filter((name) => !name.startsWith(".lock-"));
  assert.deepEqual(files, []);
});

test("a restart finds the switched version, whatever active_version says", { timeout: 60_000 }, async () => {
  await proxy.switchTo("v2");
  assert.match(await readFile(versionFile, "utf8"), /^v2\n?$/);
  for (const to of ["v1", "v2"]) await proxy.switchTo(to);
  threeSwitches = await readFile(historyFile, "utf8");
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await proxy.restart(signal);
    await assertServes("v2", 3);
    const { source, damaged } = await stateOf();
    assert.deepEqual([source, damaged], ["version_file", false], signal);
  }
  assert.deepEqual(
    (await readdir(proxy.stateDir)).filter((name) => !name.startsWith(".lock-")).sort(),
    [".history.jsonl", ".version"],
    "nothing else is left there",
  );
});

test(".version deleted by hand is a reset: the config's active_version serves, the epoch goes on", {
  timeout: 60_000,
}, async () => {
  await restartWith(async () => {
    await writeThreeSwitches();
    await rm(versionFile);
  });
  await assertServes("v1", 3);
  const { source, damaged } = await stateOf();
  assert.deepEqual([source, damaged], ["config", false]);
  assert.ok(!(await readdir(proxy.stateDir)).includes(".version"), "it stays reset until the next switch");
  await assertNextSwitchWorks();
});

const DAMAGES: Readonly<Record<string, () => Promise<unknown>>> = {
  garbage: () => writeFile(versionFile, "\x00\x01not a version\xff\n"),
  "several lines": () => writeFile(versionFile, "v1\nv2\n"),
  empty: () => truncate(versionFile, 0),
  "an unknown name": () => writeFile(versionFile, "v9\n"),
  "8 MiB of v1": () => writeFile(versionFile, "v1".repeat(4 * 1024 * 1024)),
  "a directory": async () => {
    await rm(versionFile);
    await mkdir(versionFile);
    await writeFile(join(versionFile, "mine"), "not to be deleted");
  },
  "a pipe": async () => {
    await rm(versionFile);
    await run("mkfifo", [versionFile]);
  },
  "a link to itself": async () => {
    await rm(versionFile);
    await symlink(".version", versionFile);
  },
  "a link to another file": async () => {
    await rm(versionFile);
    await writeFile(join(proxy.stateDir, "elsewhere"), "v1\n");
    await symlink("elsewhere", versionFile);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`.version damaged (${name}): the start serves the history's last entry, says so, and the next switch mends it`, {
    timeout: 60_000,
  }, async () => {
    const logged = proxy.logs().length;
    await restartWith(async () => {
      await writeThreeSwitches();
      await damage();
    });
    await assertServes("v2", 3);
    const state = await stateOf();
    assert.equal(state.source, "history");
    assert.equal(state.damaged, true);
    assert.match(state.problems.join(), /\.version/);
    const told = proxy
      .logs()
      .slice(logged)
      .filter(({ level }) => level === "warn" || level === "error");
    assert.ok(
      told.some((line) => JSON.stringify(line).includes(".version")),
      JSON.stringify(told),
    );
    await assertNextSwitchWorks();
    if (name === "a directory") {
      const kept = (await readdir(proxy.stateDir)).filter((entry) => entry.startsWith(".version.damaged"));
      assert.equal(kept.length, 1);
      assert.equal(
        await readFile(join(proxy.stateDir, kept[0] ?? "", "mine"), "utf8"),
        "not to be deleted",
        "what lay there is kept",
      );
    }
  });
}

test(".version damaged and no history: the config's active_version serves", { timeout: 60_000 }, async () => {
  await restartWith(async () => {
    await emptyFolder();
    await writeFile(versionFile, "garbage!");
  });
  await assertServes("v1", 0);
  const { source, damaged } = await stateOf();
  assert.deepEqual([source, damaged], ["config", true]);
  await assertNextSwitchWorks();
});

test("a .version with v2 and no newline, and without a history, counts", { timeout: 60_000 }, async () => {
  await restartWith(async () => {
    await emptyFolder();
    await writeFile(versionFile, "v2");
  });
  await assertServes("v2", 0);
  assert.equal((await stateOf()).source, "version_file");
  await assertNextSwitchWorks();
});

test("a history whose last line was torn by a crash is repaired, and stays one chain", {
  timeout: 60_000,
}, async () => {
  for (const torn of ['{"epoch":4,"from":"v2"', "\0\0\0\0"]) {
    await restartWith(async () => {
      await writeThreeSwitches();
      await appendFile(historyFile, torn);
    });
    await assertServes("v2", 3);
    assert.equal((await stateOf()).damaged, false);
    assert.equal(await readFile(historyFile, "utf8"), threeSwitches);
  }
  await restartWith(() => writeFile(historyFile, threeSwitches.trimEnd()));
  await assertServes("v2", 3);
  assert.equal(await readFile(historyFile, "utf8"), threeSwitches, "a whole entry only lacked its newline");
  await assertNextSwitchWorks();
  const lines = (await readFile(historyFile, "utf8")).trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { epoch: number; hash: string; prev: string });
  for (const [i, entry] of entries.entries()) {
    assert.deepEqual([entry.epoch, entry.prev], [i + 1, entries[i - 1]?.hash ?? ""]);
  }
});

test("a crash between the history's line and .version: the entry serves and .version is mended", {
  timeout: 60_000,
}, async () => {
  await restartWith(async () => {
    await writeThreeSwitches();
    await writeFile(versionFile, "v1\n");
  });
  await assertServes("v2", 3);
  assert.equal((await stateOf()).source, "history");
  assert.match(await readFile(versionFile, "utf8"), /^v2\n?$/);
  await assertNextSwitchWorks();
});

test("a changed line of the history is found and named; .version serves, and switching goes on", {
  timeout: 60_000,
}, async () => {
  const lines = threeSwitches.trimEnd().split("\n");
  const changes: Readonly<Record<string, readonly string[]>> = {
    "line 2": lines.map((line, i) => (i === 1 ? line.replace('"forced":false', '"forced":true') : line)),
    "line 3": lines.map((line, i) => (i === 2 ? line.replace('"to":"v2"', '"to":"v1"') : line)),
  };
  for (const [place, changed] of Object.entries(changes)) {
    assert.notDeepEqual(changed, lines);
    await restartWith(async () => {
      await writeThreeSwitches();
      await writeFile(historyFile, `${changed.join("\n")}\n`);
    });
    await assertServes("v2", 3);
    const { damaged, problems } = await stateOf();
    assert.equal(damaged, true);
    assert.match(problems.join(), new RegExp(place));
    const verified = await runDaemon(["history", "verify", "--state-dir", proxy.stateDir]);
    assert.equal(verified.code, 1, verified.stdout);
    assert.match(verified.stdout, new RegExp(place));
  }
  const [first = "", , third = ""] = lines;
  await restartWith(() => writeFile(historyFile, `${first}\n${third}\n`));
  assert.match((await stateOf()).problems.join(), /line 2/, "a line that was taken out is found as well");
  await assertServes("v2", 3);
  await proxy.switchTo("v1");
  await assertServes("v1", 4);
  await proxy.restart();
  await assertServes("v1", 4);
  assert.equal((await stateOf()).damaged, true, "it is left for people to look at");
});

test("a history that is no history: never a failed start", { timeout: 90_000 }, async () => {
  const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
    garbage: () => writeFile(historyFile, "garbage\nmore of it\n"),
    "a directory": async () => {
      await rm(historyFile);
      await mkdir(historyFile);
    },
    "a pipe": async () => {
      await rm(historyFile);
      await run("mkfifo", [historyFile]);
    },
  };
  for (const [name, damage] of Object.entries(kinds)) {
    await restartWith(async () => {
      await emptyFolder();
      await writeFile(versionFile, "v2\n");
      await writeFile(historyFile, "");
      await damage();
    });
    assert.equal((await proxy.status()).current_version, "v2", name);
    assert.equal((await stateOf()).damaged, true, name);
    await proxy.switchTo("v1");
    await proxy.restart();
    assert.equal((await proxy.status()).current_version, "v1", name);
  }
});

test("a .version that this user may not read falls to the history's last entry", {
  timeout: 60_000,
  skip: process.getuid?.() === 0 ? false : "needs root, to run the daemon as another user",
}, async (t) => {
  const nobody = 65_534;
  const asNobody = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
  const [command = "", ...flags] = asNobody;
  const canRun = await run(command, [...flags, process.execPath, "--version"]).then(
    () => true,
    () => false,
  );
  if (!canRun) return t.skip("another user may not run this node");
  const dir = await tempDir(t, "unreadable");
  await writeFile(join(dir, ".history.jsonl"), threeSwitches);
  await writeFile(join(dir, ".version"), "v2\n", { mode: 0o600 });
  for (const name of ["", ".history.jsonl"]) await chown(join(dir, name), nobody, nobody);
  // The config lies in a folder that only we may enter.
  const openConfig = 'chmod 755 "$(dirname "$4")" && exec "$0" "$@"';
  const { proxy: other } = await startPair(t, {
    stateDir: dir,
    wrap: ["sh", "-c", openConfig.replace('"$0"', asNobody.join(" ")), "sh"],
  });
  const status = await other.status();
  assert.deepEqual([status.current_version, status.epoch], ["v2", 3]);
  assert.match((status.state as State).problems.join(), /\.version cannot be read \(EACCES\)/);
  await other.switchTo("v1");
  assert.equal(((await other.status()).state as State).damaged, false);
  assert.equal((await lstat(join(dir, ".version"))).uid, nobody, "replaced, not rewritten");
});

test("a version that is no longer configured is damage, and active_version serves", {
  timeout: 60_000,
}, async (t) => {
  const dir = await tempDir(t, "gone-version");
  const first = await startPair(t, { stateDir: dir, config: { backends: { v3: v2.url } } });
  await first.proxy.switchTo("v3");
  await first.proxy.stop();
  const second = await startPair(t, { stateDir: dir });
  const status = await second.proxy.status();
  assert.deepEqual([status.current_version, status.epoch], ["v1", 1]);
  assert.match((status.state as State).problems.join(), /v3/);
  assert.equal((await second.proxy.admin("POST", "/rollback", { body: {} })).status, 409);
  await second.proxy.switchTo("v2");
  assert.equal((await second.proxy.status()).epoch, 2);
});
