import type { PipelineConfig } from '../../schemas/config.ts';

/** What a run makes because of what it evaluates, as `workflows/pipeline.ts` asks for it. */
export interface Needs {
  readonly experts: readonly (keyof PipelineConfig['sft'])[];
  readonly gba: boolean;
  readonly merges: readonly ('mean' | 'mixed' | 'start' | 'final')[];
}

const SPECIALTIES = ['AM', 'CAH', 'BS', 'CSI'] as const;

export function needsOf({ evaluate, gba: { enabled, start: rlStart }, merge }: PipelineConfig): Needs {
  const asked = new Set<string>(evaluate.models);
  const final = asked.has('final') || asked.has('unrounded');
  const gba = asked.has('gba') || (final && enabled);
  const slerp = final && enabled && merge.final.method === 'slerp';
  const mixed = gba && rlStart === 'mixed';
  const mean = asked.has('mean') || slerp || (gba && rlStart === 'mean');
  const start = asked.has('start') || (gba && rlStart === 'ties');
  const four = mean || start || (final && !slerp);
  return {
    experts: [
      ...SPECIALTIES.filter((name) => four || asked.has(name)),
      ...(mixed || asked.has('mixed') ? (['mixed'] as const) : []),
    ],
    gba,
    merges: [
      ...(mean ? (['mean'] as const) : []),
      ...(mixed ? (['mixed'] as const) : []),
      ...(start ? (['start'] as const) : []),
      ...(final ? (['final'] as const) : []),
    ],
  };
}
