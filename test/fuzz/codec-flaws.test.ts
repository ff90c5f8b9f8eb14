/** The fuzzer of the codec can be trusted: it finds each flaw in a copy of the codec that has it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { copiedTree, EXTENSION, mutate } from "../support/mutated-tree.ts";
import { CODEC_FLAWS } from "./codec/flaws.ts";

/** Fixed: a flaw takes as long to be found as the last time. */
const SEED = 1;
const FIND_MS = 30_000;
/** What the fuzzer imports. */
const SOURCES = ["wire", "core", "http", "data-plane"];
const limit = { timeout: 2 * FIND_MS };

for (const flaw of CODEC_FLAWS) {
  test(`it is found when ${flaw.how}`, limit, async (t) => {
    const tree = await copiedTree(t, ["fuzz"], SOURCES);
    await mutate(tree, flaw);
    const loop = pathToFileURL(join(tree, `test/fuzz/codec/codec-loop.${EXTENSION}`)).href;
    const { formatCodecResult, fuzzCodec }: typeof import("./codec/codec-loop.ts") = await import(loop);
    const result = fuzzCodec({
      seed: SEED,
      durationMs: FIND_MS,
      isChopped: flaw.isOfPieces === true,
    });
    t.diagnostic(formatCodecResult(result));
    assert.match(result.finding?.fault ?? "", /./);
    assert.doesNotMatch(result.finding?.fault ?? "", /^thrown/);
  });
}
