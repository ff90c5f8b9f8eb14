/**
 * Preloaded (`--import`) into every process of a daemon: notes what it has loaded when it ends, in a file of its own in
 * the folder MODULES_DIR, named by its id: a line for each module, Node's own inner ones too.
 */
const { writeFileSync } = process.getBuiltinModule("node:fs"); // an import would load more
const { registerHooks } = process.getBuiltinModule("node:module");

const loaded: string[] = [];

registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url);
    return nextLoad(url, context);
  },
});

process.on("exit", () => {
  const { MODULES_DIR } = process.env;
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  if (MODULES_DIR) writeFileSync(`${MODULES_DIR}/${process.pid}`, [...loaded, ...moduleLoadList].join("\n"));
});

export {}; // a module, with names of its own
