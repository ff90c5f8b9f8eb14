/** Event stream: the events (SSE) that the drill's backends send, written and read. Pure. */
export interface NumberedEvent {
  /** From 1, without a gap, in each stream. */
  readonly id: number;
  /** By the clock that all processes share. */
  readonly sentAtMs: number;
}

export function encodeEvent({ id, sentAtMs }: NumberedEvent): string {
  return `id: ${id}\ndata: ${sentAtMs}\n\n`;
}

/** Text as it comes to whole events. */
export class EventReader {
  #text = "";

  /** Whether part of an event is there. */
  get isAmidEvent(): boolean {
    return this.#text !== "";
  }

  /** @returns the events that are whole now; null for one that is none of ours, as when a piece of it is missing. */
  push(text: string): (NumberedEvent | null)[] {
    const events = (this.#text + text).split("\n\n");
    this.#text = events.pop() ?? "";
    return events.map(decodeEvent);
  }
}

function decodeEvent(text: string): NumberedEvent | null {
  const [, id, sentAtMs] = /^id: (\d+)\ndata: ([\d.]+)$/.exec(text) ?? [];
  return id === undefined ? null : { id: Number(id), sentAtMs: Number(sentAtMs) };
}
