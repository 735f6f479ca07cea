import { inFloat32 } from '../../activities/_compute.ts';
import { assumptionsFor } from '../../../infra/plan/assumptions.ts';
import type { Given } from '../../../infra/plan/assumptions.ts';
import { baseConfig } from '../../../infra/plan/base-config.ts';
import { plannedCases } from '../../../infra/plan/cases.ts';
import type { PlannedCases } from '../../../infra/plan/cases.ts';
import { planRun } from '../../../infra/plan/plan.ts';
import type { PlannedStage } from '../../../infra/plan/plan.ts';
import { caseSources } from '../../../schemas/config.ts';
import type { PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';

export const { demo } = presets;
/** Shapes of the demo's base. */
export const tiny = await baseConfig(demo.base, undefined);

export const casesOf = async (
  config: PipelineConfig,
  given: Given,
): Promise<Record<string, PlannedCases>> => {
  const reader = { vision: tiny.vision, base: config.base, processor: undefined };
  const cases: Record<string, PlannedCases> = {};
  for (const [name, source] of Object.entries(caseSources(config)))
    cases[name] = await plannedCases(source, reader, given);
  return cases;
};

export const planned = async (
  config: PipelineConfig,
  given: Given = {},
): Promise<Map<string, PlannedStage>> => {
  const cases = await casesOf(config, given);
  const stages = await planRun(config, tiny, inFloat32, cases, assumptionsFor(config, given));
  return new Map(stages.map((stage) => [stage.step, stage]));
};
