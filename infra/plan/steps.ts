/** The steps that a run of a configuration takes, found by walking the DAG that the run itself walks. */
import { mediaTypeOf } from '../../schemas/artifact-kind.ts';
import type { PipelineConfig } from '../../schemas/config.ts';
import type { Reference } from '../../schemas/reference.ts';
import type { StepSpec } from '../../schemas/step.ts';
import { dag } from '../../workflows/dag.ts';
import type { Outputs } from '../../workflows/run.ts';

/** Stands for every artifact: which steps are taken does not depend on what artifacts hold. */
const some: Reference = { mediaType: mediaTypeOf('cases'), digest: `sha256:${'0'.repeat(64)}`, size: 0 };

/** Whatever output is asked for is there. */
const anything: Outputs = new Proxy<Outputs>({}, { get: () => some });

/** Steps in an order in which they can be taken: none before those whose outputs it needs. */
export async function stepsOf(config: PipelineConfig): Promise<StepSpec[]> {
  const taken: StepSpec[] = [];
  const step = async (spec: StepSpec): Promise<Outputs> => {
    taken.push(spec);
    return anything;
  };
  await dag(config, {
    source: () => some,
    step,
    fanOut: (specs) => Promise.all(specs.map(step)),
    review: async () => some,
  });
  return taken;
}
