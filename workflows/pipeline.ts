/**
 * The recipe of MMedExpert-R1 (arXiv 2601.10949) as one DAG. Plain TypeScript is the DAG: a step runs when the promises
 * of its inputs are fulfilled, and a model that nothing evaluates is never made.
 */
import {
  allHandlersFinished,
  condition,
  executeChild,
  isCancellation,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
  CancellationScope,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { PipelineInput } from '../schemas/pipeline-input.ts';
import type { Reference } from '../schemas/reference.ts';
import type { RunProgress, StepSpec } from '../schemas/step.ts';
import { progressQuery } from './messages.ts';
import { planOf, type Model } from './plan.ts';
import { awaitReview, type OpenReview } from './review.ts';
import { openRun, rootMessage, type Outputs } from './run.ts';
import { createSerially } from './serially.ts';
import { shards } from './shards.ts';

const { recordRun } = proxyLocalActivities<Activities>({ startToCloseTimeout: '1 minute' });

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

export async function pipeline(input: PipelineInput): Promise<Outputs> {
  const { config, sources } = input;
  const plan = planOf(config);
  const serially = createSerially();
  const run = openRun(input, serially);
  let status: RunProgress['status'] = 'running';
  let review: OpenReview | undefined;
  let failure: string | undefined;
  const children = new Set<string>();
  const progress = (): RunProgress => ({
    runId: input.runId,
    status,
    steps: run.states(),
    children: [...children],
    ...(review ? { review } : {}),
    ...(failure === undefined ? {} : { error: failure }),
  });
  setHandler(progressQuery, progress);

  const source = (name: string): Reference => {
    const found = sources[name];
    if (found === undefined) throw new Error(`the run was started without the source ${name}`);
    return found;
  };
  const fanOut = async (specs: StepSpec[]): Promise<Outputs[]> => {
    const workflowId = `${workflowInfo().workflowId}/${specs[0]?.stage}`;
    children.add(workflowId);
    try {
      const states = await executeChild(shards, { workflowId, args: [{ run: input, specs }] });
      run.adopt(states);
      const byStep = new Map(states.map((state) => [state.step, state.outputs]));
      return specs.map((spec) => byStep.get(spec.step) ?? {});
    } finally {
      children.delete(workflowId);
    }
  };

  const ingest = (name: string) => output(run.step(plan.ingest(name, source(name))), 'cases');

  const classified = async (name: string, first: string, ...more: readonly string[]) => {
    const [cases, ...further] = await Promise.all([ingest(first), ...more.map(ingest)]);
    return output(run.step(plan.classify(name, [cases, ...further])), 'cases');
  };

  async function dag(): Promise<Outputs> {
    let decided: Reference | undefined;
    // Cases and traces.
    const heldOut = once(() => classified('held-out', 'heldOut'));
    const base = once(() =>
      config.base.kind === 'pretrain'
        ? output(run.step(plan.pretrain(source('base'))), 'model')
        : Promise.resolve(source('base')),
    );
    const data = once(async () => {
      const cases = await classified('train', 'train', ...(config.sources.images ? ['images'] : []));
      const traces = await fanOut(plan.synthesize(cases));
      const { kept } = await run.step(plan.filter(cases, traces));
      const decisions = await awaitReview(
        { ...input, traces: kept!, cases, bank: config.review.kind === 'rule' ? source('train') : undefined },
        serially,
        (open) => {
          review = open;
          status = open ? 'waiting-for-review' : 'running';
        },
      );
      decided = decisions;
      const { accepted } = await run.step(plan.review(kept!, decisions));
      return run.step(plan.stratify(cases, accepted!));
    });

    // Experts, merges and RL.
    const expert = (name: 'AM' | 'CAH' | 'BS' | 'CSI' | 'mixed') =>
      once(async () => {
        const rows = output(data(), name === 'mixed' ? 'union' : name);
        return output(run.step(plan.sft(name, await base(), await rows)), 'adapter');
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
    const mean = once(async () => run.step(plan.merge('mean', await base(), await four())));
    const start = once(async () => run.step(plan.merge('start', await base(), await four())));
    const rlStart = once(async (): Promise<Outputs> => {
      switch (config.gba.start) {
        case 'base':
          return { model: await base() };
        case 'mixed':
          return run.step(plan.merge('mixed', await base(), { mixed: await experts.mixed() }));
        case 'mean':
          return mean();
        default:
          return start();
      }
    });
    const gba = once(async () => {
      const queries = output(data(), 'queries');
      return output(run.step(plan.gba((await rlStart())['model']!, await queries)), 'adapter');
    });
    const final = once(async () => {
      if (!config.gba.enabled) return run.step(plan.merge('final', await base(), await four()));
      const { vector } = await rlStart();
      const from: Record<string, Reference> = vector ? { RL: vector } : {};
      if (config.merge.final.method === 'slerp') {
        const ends = { ...from, mean: (await mean())['vector']! };
        return run.step(plan.merge('final', await base(), { RL: await gba() }, ends));
      }
      return run.step(plan.merge('final', await base(), { ...(await four()), RL: await gba() }, from));
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
        const answers = run.step(plan.evaluate(`${name}${suffix}`, model, cases));
        return [name, await output(answers, 'predictions')] as const;
      });
      const answered = Object.fromEntries(await Promise.all(predictions));
      const bank = config.base.kind === 'pretrain' && suffix === '' ? { bank: source('base') } : {};
      const beside = { ...(decided ? { decisions: decided } : {}), ...bank };
      return run.step(plan.report(`report${suffix}`, await benchmark, answered, beside));
    };
    const benchmarks = config.evaluate.benchmarks.map((name) =>
      evaluatedOn(ingest(`benchmark.${name}`), `/${name}`),
    );
    const [report] = await Promise.all([evaluatedOn(heldOut(), ''), ...benchmarks]);
    return report;
  }

  try {
    const outputs = await dag();
    await condition(allHandlersFinished);
    status = 'done';
    return outputs;
  } catch (error) {
    status = isCancellation(error) ? 'cancelled' : 'failed';
    failure = rootMessage(error);
    throw error;
  } finally {
    await CancellationScope.nonCancellable(() => serially(() => recordRun(progress())));
  }
}
