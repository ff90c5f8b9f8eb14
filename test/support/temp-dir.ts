/** A folder of its own for one test, removed with what is in it when the test ends. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestEnd, type TestEnd } from "./cleanup.ts";

/** @returns its absolute path; it exists and is empty. */
export async function tempDir(t: TestEnd, name = "test"): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `traffic-switching-${name}-`));
  onTestEnd(t, () => removeDir(dir));
  return dir;
}

/** Also one whose write permission a test took away. */
export async function removeDir(dir: string): Promise<void> {
  await chmod(dir, 0o700).catch(() => undefined); // gone already
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}
