/** A response taken apart into what the model thinks and what it says. */
export interface Parts {
  /** What stands in the last `<think>` block; null where there is none. */
  readonly thinking: string | null;
  /** What follows the reasoning; the whole response where no block is opened or closed. Empty in one left open. */
  readonly said: string;
}

/** Splits at the last `</think>`. Templates may open the block in the prompt, so the opening tag may be missing. */
export function splitThinking(response: string): Parts {
  const end = response.lastIndexOf('</think>');
  const start = response.lastIndexOf('<think>', end < 0 ? response.length : end);
  if (end < 0) {
    if (start < 0) return { thinking: null, said: response };
    return { thinking: response.slice(start + 7).trim(), said: response.slice(0, start).trim() };
  }
  const said = response.slice(end + 8).trim();
  return { thinking: response.slice(start < 0 ? 0 : start + 7, end).trim(), said };
}
