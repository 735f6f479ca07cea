import path from 'node:path';
import { withoutDefaults } from '../../artifacts/action-key.ts';
import { codeMap } from '../../artifacts/code-digest.ts';
import type { Action } from '../../schemas/action.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { StepSpec } from '../../schemas/step.ts';
import type { AnyStage } from '../stage.ts';
import { resolveCompute } from './arithmetic.ts';
import { computeEnvironment } from './environment.ts';
import { loadStage } from './stages.ts';

/** The project's root: module paths in keys are relative to it. */
const ROOT = path.resolve(import.meta.dirname, '../..');

/** A step whose parameters its stage does not accept. The message names the step and each field. */
export class BadParameters extends Error {
  override name = 'BadParameters' as const;
}

/** A step as it is done here: with this code, on this machine. */
export interface LocalAction {
  readonly stage: AnyStage;
  readonly action: Action;
  readonly compute: ResolvedCompute;
}

/** The stage of a step and the action that stands for it here; `probes` is the folder of measured speeds. */
export async function actionOf(spec: StepSpec, probes: string): Promise<LocalAction> {
  const stage = await loadStage(spec.stage, spec.settings);
  const parsed = stage.params.safeParse(spec.params);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new BadParameters(`${spec.step}: ${problems.join('; ')}`);
  }
  const compute: ResolvedCompute =
    stage.resources === 'gpu'
      ? await resolveCompute(spec.compute, probes)
      : { ...spec.compute, arithmetic: 'float32' };
  const action: Action = {
    version: 1,
    stage: spec.stage,
    specVersion: stage.specVersion,
    inputs: Object.fromEntries(Object.entries(spec.inputs).map(([name, { digest }]) => [name, digest])),
    params: withoutDefaults(stage.params, spec.params),
    code: await codeMap(ROOT, stage.code),
    environment: await computeEnvironment(stage.resources, compute),
  };
  return { stage, action, compute };
}
