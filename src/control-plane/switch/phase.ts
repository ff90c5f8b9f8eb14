/**
 * Phases of a switch, in their order. `idle`: none runs.
 */
export type Phase = "idle" | "prepare" | "persist" | "hold" | "commit";
export type RunningPhase = Exclude<Phase, "idle">;

/** The phases that ran, in seconds. */
export type PhaseSeconds = Partial<Record<RunningPhase, number>>;
