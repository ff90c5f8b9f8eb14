/**
 * Members: which backends of a pool come, stay and leave with what the primary now names.
 *
 * One whose name stays is the same as before, with all that runs on it; under a new origin it is another one.
 */
import type { BackendSnapshot } from "../../config/snapshot.ts";
import type { Backend } from "./backend.ts";

/** What a change of the members has done. */
export interface MembersChange {
  readonly came: readonly Backend[];
  readonly left: readonly Backend[];
  /** Those that stay and were drained by hand, or are no longer. */
  readonly drained: readonly Backend[];
  readonly enabled: readonly Backend[];
}

/** Those that stay take what is now known of them. @returns the members in the order of `snapshots`, and what has changed. */
export function takeMembers(
  members: readonly Backend[],
  snapshots: readonly BackendSnapshot[],
  create: (snapshot: BackendSnapshot) => Backend,
): { readonly backends: readonly Backend[]; readonly change: MembersChange } {
  const before = new Map(members.map((backend) => [backend.name, backend]));
  const [came, drained, enabled]: [Backend[], Backend[], Backend[]] = [[], [], []];
  const backends = snapshots.map((snapshot) => {
    const known = before.get(snapshot.name);
    if (known === undefined || known.origin !== snapshot.origin) {
      const backend = create(snapshot);
      came.push(backend);
      return backend;
    }
    before.delete(snapshot.name);
    if (known.isDrained !== snapshot.isDrained) (snapshot.isDrained ? drained : enabled).push(known);
    known.take(snapshot);
    return known;
  });
  return { backends, change: { came, left: [...before.values()], drained, enabled } };
}
