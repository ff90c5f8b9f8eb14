/**
 * The end of a test: what was opened last is closed first, and one failure leaves none of the rest open.
 *
 * node:test runs its `after` hooks in the order they were given, which would take the backends from under
 * a proxy that still runs.
 */

/** A test's context, or `{ after }` of node:test for what a whole file shares. */
export interface TestEnd {
  after(fn: () => Promise<void>): void;
}

const stacks = new WeakMap<TestEnd, (() => unknown)[]>();

/** Runs `close` when the test ends, before everything that was registered earlier. */
export function onTestEnd(t: TestEnd, close: () => unknown): void {
  const stack = stacks.get(t);
  if (stack) {
    stack.push(close);
    return;
  }
  const created = [close];
  stacks.set(t, created);
  t.after(() => runAll(created));
}

async function runAll(stack: (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (let close = stack.pop(); close; close = stack.pop()) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "closing what the test opened failed");
}
