import path from 'node:path';
import { withoutDefaults } from '../../artifacts/action-key.ts';
import { codeMap } from '../../artifacts/code-digest.ts';
import type { Action } from '../../schemas/action.ts';
import type { StepSpec } from '../../schemas/step.ts';
import type { AnyStage } from '../stage.ts';
import { computeEnvironment } from './environment.ts';
import { loadStage } from './stages.ts';

/** The project's root: module paths in keys are relative to it. */
const ROOT = path.resolve(import.meta.dirname, '../..');

/** A step whose parameters its stage does not accept. The message names the step and each field. */
export class BadParameters extends Error {
  override name = 'BadParameters' as const;
}

/** The stage of a step and the action that stands for the step here: this code, this machine. */
export async function actionOf(spec: StepSpec): Promise<{ stage: AnyStage; action: Action }> {
  const stage = await loadStage(spec.stage, spec.settings);
  const parsed = stage.params.safeParse(spec.params);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new BadParameters(`${spec.step}: ${problems.join('; ')}`);
  }
  const action: Action = {
    version: 1,
    stage: spec.stage,
    specVersion: stage.specVersion,
    inputs: Object.fromEntries(Object.entries(spec.inputs).map(([name, { digest }]) => [name, digest])),
    params: withoutDefaults(stage.params, spec.params),
    code: await codeMap(ROOT, stage.code),
    environment: await computeEnvironment(stage.resources, spec.compute),
  };
  return { stage, action };
}
