import type { Json } from '../../schemas/step.ts';
import type { StageName } from '../../schemas/stage-name.ts';
import type { AnyStage } from '../stage.ts';

type Settings = Readonly<Record<string, Json>>;

/** Where each stage is declared; loaded on demand, so that a worker loads only what it runs. */
const declarations: Record<StageName, (settings: Settings) => Promise<AnyStage>> = {
  ingest: async () => (await import('../ingest/activity.ts')).ingestStage,
  pretrain: async () => (await import('../pretrain/activity.ts')).pretrainStage,
  classify: async () => (await import('../classify/activity.ts')).classifyStage,
  synthesize: async (settings) =>
    (await import('../synthesize/activity.ts')).createSynthesizeStage(
      (await import('./openai-teacher.ts')).openTeacher(settings),
    ),
  filter: async () => (await import('../filter/activity.ts')).filterStage,
  review: async () => (await import('../review/activity.ts')).reviewStage,
  stratify: async () => (await import('../stratify/activity.ts')).stratifyStage,
  sft: async () => (await import('../sft/activity.ts')).sftStage,
  gba: async () => (await import('../gba/activity.ts')).gbaStage,
  merge: async () => (await import('../merge/activity.ts')).mergeStage,
  evaluate: async () => (await import('../evaluate/activity.ts')).evaluateStage,
  report: async () => (await import('../report/activity.ts')).reportStage,
};

/** The declaration of a stage. Its parameters are checked by its own schema before it runs. */
export const loadStage = (name: StageName, settings: Settings = {}): Promise<AnyStage> =>
  declarations[name](settings);
