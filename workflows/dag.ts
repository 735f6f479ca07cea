/**
 * The recipe of MMedExpert-R1 (arXiv 2601.10949) as one DAG. Plain TypeScript is the DAG: a step runs when the promises
 * of its inputs are fulfilled, and a model that nothing evaluates is never made.
 *
 * How a step is taken is not said here: a run takes it on Temporal, and who wants to know beforehand what a run will do
 * walks the same DAG.
 */
import type { PipelineConfig } from '../schemas/config.ts';
import type { Reference } from '../schemas/reference.ts';
import type { StepSpec } from '../schemas/step.ts';
import { planOf, type Model } from './plan.ts';
import type { Outputs } from './run.ts';

/** How the DAG's steps are taken. */
export interface Taking {
  /** A source, or the base, by the name that it was given to the run under. Throws where it was not. */
  readonly source: (name: string) => Reference;
  /** Takes a step and hands its outputs on. */
  readonly step: (spec: StepSpec) => Promise<Outputs>;
  /** Takes the shards of one stage. */
  readonly fanOut: (specs: StepSpec[]) => Promise<Outputs[]>;
  /** Waits until every trace is decided, and hands the decisions on. */
  readonly review: (traces: Reference, cases: Reference) => Promise<Reference>;
}

const SPECIALTIES = ['AM', 'CAH', 'BS', 'CSI'] as const;

/** Makes a value once, when it is first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** Takes one named output of a step. */
const output = async (outputs: Promise<Outputs>, name: string): Promise<Reference> => {
  const found = (await outputs)[name];
  if (found === undefined) throw new Error(`a step handed on no output named ${name}`);
  return found;
};

/** Takes every step that the configuration asks for; the outputs are those of the held-out cases' report. */
export async function dag(
  config: PipelineConfig,
  { source, step, fanOut, review }: Taking,
): Promise<Outputs> {
  const plan = planOf(config);
  const ingest = (name: string) => output(step(plan.ingest(name, source(name))), 'cases');

  const classified = async (name: string, first: string, ...more: readonly string[]) => {
    const [cases, ...further] = await Promise.all([ingest(first), ...more.map(ingest)]);
    return output(step(plan.classify(name, [cases, ...further])), 'cases');
  };

  let decided: Reference | undefined;
  // Cases and traces.
  const heldOut = once(() => classified('held-out', 'heldOut'));
  const base = once(() =>
    config.base.kind === 'pretrain'
      ? output(step(plan.pretrain(source('base'))), 'model')
      : Promise.resolve(source('base')),
  );
  const data = once(async () => {
    const cases = await classified('train', 'train', ...(config.sources.images ? ['images'] : []));
    const traces = await fanOut(plan.synthesize(cases));
    const { kept } = await step(plan.filter(cases, traces));
    const decisions = await review(kept!, cases);
    decided = decisions;
    const { accepted } = await step(plan.review(kept!, decisions));
    return step(plan.stratify(cases, accepted!));
  });

  // Experts, merges and RL.
  const expert = (name: 'AM' | 'CAH' | 'BS' | 'CSI' | 'mixed') =>
    once(async () => {
      const rows = output(data(), name === 'mixed' ? 'union' : name);
      return output(step(plan.sft(name, await base(), await rows)), 'adapter');
    });
  const experts = {
    AM: expert('AM'),
    CAH: expert('CAH'),
    BS: expert('BS'),
    CSI: expert('CSI'),
    mixed: expert('mixed'),
  };
  const four = once(async () => {
    const made = await Promise.all(SPECIALTIES.map((name) => experts[name]()));
    return Object.fromEntries(SPECIALTIES.map((name, i) => [name, made[i]!]));
  });
  const mean = once(async () => step(plan.merge('mean', await base(), await four())));
  const start = once(async () => step(plan.merge('start', await base(), await four())));
  const rlStart = once(async (): Promise<Outputs> => {
    switch (config.gba.start) {
      case 'base':
        return { model: await base() };
      case 'mixed':
        return step(plan.merge('mixed', await base(), { mixed: await experts.mixed() }));
      case 'mean':
        return mean();
      default:
        return start();
    }
  });
  const gba = once(async () => {
    const queries = output(data(), 'queries');
    return output(step(plan.gba((await rlStart())['model']!, await queries)), 'adapter');
  });
  const final = once(async () => {
    if (!config.gba.enabled) return step(plan.merge('final', await base(), await four()));
    const { vector } = await rlStart();
    const from: Record<string, Reference> = vector ? { RL: vector } : {};
    if (config.merge.final.method === 'slerp') {
      const ends = { ...from, mean: (await mean())['vector']! };
      return step(plan.merge('final', await base(), { RL: await gba() }, ends));
    }
    return step(plan.merge('final', await base(), { ...(await four()), RL: await gba() }, from));
  });

  // What is evaluated decides what is made.
  const models: Record<string, () => Promise<Model>> = {
    base: async () => ({ model: await base() }),
    mean: async () => ({ model: await output(mean(), 'model') }),
    start: async () => ({ model: await output(start(), 'model') }),
    gba: async () => ({ model: (await rlStart())['model']!, adapter: await gba() }),
    final: async () => ({ model: await output(final(), 'model') }),
    unrounded: async () => ({ model: await base(), vector: await output(final(), 'vector') }),
  };
  for (const name of [...SPECIALTIES, 'mixed'] as const)
    models[name] = async () => ({ model: await base(), adapter: await experts[name]() });
  const evaluatedOn = async (benchmark: Promise<Reference>, suffix: string): Promise<Outputs> => {
    const predictions = config.evaluate.models.map(async (name) => {
      const [model, cases] = await Promise.all([models[name]!(), benchmark]);
      const answers = step(plan.evaluate(`${name}${suffix}`, model, cases));
      return [name, await output(answers, 'predictions')] as const;
    });
    const answered = Object.fromEntries(await Promise.all(predictions));
    const bank = config.base.kind === 'pretrain' && suffix === '' ? { bank: source('base') } : {};
    const beside = { ...(decided ? { decisions: decided } : {}), ...bank };
    return step(plan.report(`report${suffix}`, await benchmark, answered, beside));
  };
  const benchmarks = config.evaluate.benchmarks.map((name) =>
    evaluatedOn(ingest(`benchmark.${name}`), `/${name}`),
  );
  const [report] = await Promise.all([evaluatedOn(heldOut(), ''), ...benchmarks]);
  return report;
}
