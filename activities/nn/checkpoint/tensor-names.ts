/**
 * One naming for all: the names Qwen2-VL checkpoints have on disk (`model.layers.0…`, `visual.blocks.0…`, `lm_head`).
 * Transformers ≥ 4.52 names the same tensors `model.language_model.layers.0…` and `model.visual.blocks.0…` in memory,
 * which is how PEFT adapters, and some checkpoints, name them.
 */

/** The name on disk of a tensor or module named either way. */
export const canonicalName = (name: string): string =>
  name.replace(/^model\.language_model\./, 'model.').replace(/^model\.visual\./, 'visual.');

/** The name that transformers ≥ 4.52 and PEFT give to it. */
export const inMemoryName = (canonical: string): string =>
  canonical.replace(/^visual\./, 'model.visual.').replace(/^model\.(?!visual\.)/, 'model.language_model.');

/** Up to `limit` names for an error message, and how many more there are. */
export const listNames = (names: readonly string[], limit = 12): string => {
  const more = names.length - limit;
  return `${names.slice(0, limit).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};
