/**
 * The forward pass of training: logits at the label places of a padded batch.
 * Legend: B rows, T length, M label places, K image embeddings, D hidden size, V vocabulary.
 */
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import { embedTokens, forwardText, hiddenRows, logits } from '../models/text.ts';
import type { ImageInputs } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { LabelledShape } from './rows.ts';

/** What every training entry point is fed; `packRows` makes it. */
export interface BatchInputs {
  /** [B, T] */
  readonly ids: Value;
  /** [3, B, T] */
  readonly positions: Value;
  /** [M], places in B·T */
  readonly targets: Value;
  /** [M] */
  readonly labels: Value;
}

export const declareBatch = (t: Trace, { rows, length, labels }: LabelledShape): BatchInputs => ({
  ids: t.input('ids', [rows, length], 'int32'),
  positions: t.input('positions', [3, rows, length], 'int32'),
  targets: t.input('targets', [labels], 'int32'),
  labels: t.input('labels', [labels], 'int32'),
});

/** Logits [M, V] float32 at the label places. */
export const labelLogits = (
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  batch: BatchInputs,
  images?: ImageInputs,
): Value => {
  const embeds = embedTokens(t, params, batch.ids, images);
  const hidden = forwardText(t, params, config, { embeds, positions: batch.positions });
  return logits(t, params, config, hiddenRows(t, hidden, batch.targets));
};
