/**
 * Guideline-based advantages (section 3.3, eq. 4-5): reinforcement learning of a LoRA adapter on groups of rollouts whose
 * prompts carry guidelines, against the frozen model it starts from.
 *
 * A step: visit queries, sample G completions of each, judge them, update once. Deviations and choices beside the paper:
 * 1. One update for each rollout, so the ratio is 1 and the clip inactive; the log-probabilities before the update are
 *    those of the same pass, with no gradient (as TRL does when generation and update are aligned).
 * 2. The reference is the same weights without the adapter, in the same graph. Dropout, where there is any, is in the
 *    trained pass alone: what samples and the reference see none.
 * 3. Everything after the first end token is not there at all; the end token itself is trained on.
 */
import type { Case } from '../../schemas/case.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { GbaParams } from '../../schemas/gba-params.ts';
import type { Rollout } from '../../schemas/rollout.ts';
import type { GbaMetric } from '../../schemas/training-metric.ts';
import type { ChatModel } from '../nn/chat.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import type { Session } from '../nn/runtime/session.ts';
import { startAdapter } from '../nn/training/adapter-start.ts';
import { createEmbedder } from '../nn/training/image-embeds.ts';
import type { LoadImage } from '../nn/training/image-embeds.ts';
import { pairCostOf } from '../nn/training/label-logits.ts';
import { runSteps } from '../nn/training/loop.ts';
import type { LoopIo, LoopSettings, LoopSummary } from '../nn/training/loop.ts';
import { createSelection } from '../nn/training/selection.ts';
import type { TrainingState } from '../nn/training/state.ts';
import { createTrainer } from '../nn/training/trainer.ts';
import type { ChecklistOf } from './checklists.ts';
import { gbaMetric } from './metrics.ts';
import { gbaProgram } from './program.ts';
import { createPrompts, planSteps } from './queries.ts';
import type { PromptOf } from './queries.ts';
import { asksOf, judgeStep, rolloutRecord } from './rollouts.ts';
import { createSampler } from './sampler.ts';
import { samplingShapes, trainingShapes } from './shapes.ts';
import { policyBatches } from './training-batches.ts';
import { validationAccuracy, validationPrompts, validationShapes } from './validation.ts';

export interface GbaJob {
  readonly config: ModelConfig;
  readonly compute: Pick<ResolvedCompute, 'arithmetic' | 'execution'>;
  readonly params: GbaParams;
  readonly chat: ChatModel;
  readonly queries: readonly Case[];
  /** Queries to validate on every `validateEvery` steps. */
  readonly validation?: readonly Case[] | undefined;
  readonly promptOf: PromptOf;
  readonly checklistOf: ChecklistOf;
  /** Grid of each image. */
  readonly grids: ReadonlyMap<string, Grid>;
  readonly loadImage: LoadImage;
  readonly stopTokens: readonly number[];
  /** Tokens that are never sampled. */
  readonly suppressed: readonly number[];
  readonly resume: { readonly state: TrainingState; readonly rollouts: readonly Rollout[] } | undefined;
  fillBase(session: Session): Promise<void>;
}

export interface GbaIo extends Pick<LoopIo, 'progress' | 'signal'> {
  checkpoint(step: number, state: TrainingState, rollouts: readonly Rollout[]): Promise<void>;
}

export interface GbaTrained {
  /** Of the last step, or of the best validation, as `keep` says. */
  readonly values: Float32Array;
  /** Optimizer steps behind these values. */
  readonly keptStep: number;
  readonly history: readonly GbaMetric[];
  readonly rollouts: readonly Rollout[];
  readonly summary: LoopSummary & { readonly samplingSeconds: number; readonly sampledTokens: number };
}

export class NoQueriesError extends Error {
  override readonly name = 'NoQueriesError';
}

export const trainGba = async (job: GbaJob, io: GbaIo, settings: LoopSettings): Promise<GbaTrained> => {
  const { config, params, chat } = job;
  if (job.queries.length === 0) throw new NoQueriesError('there is no query to train on');
  const pairCost = pairCostOf(config.text);
  const prompts = createPrompts(chat, config, job.promptOf, (question) =>
    question.images.map((image) => job.grids.get(image) as Grid),
  );
  const plan = planSteps(job.queries.length, {
    perStep: params.promptsPerStep,
    group: params.group,
    mode: params.guidelineMode,
    seed: params.seed,
  });
  const groupsOf = (step: number) =>
    plan(step).map(({ query, paradigms }) =>
      paradigms.map((paradigm) => prompts(job.queries[query] as Case, paradigm)),
    );
  const sizes = Array.from({ length: params.steps }, (_, step) =>
    asksOf(groupsOf(step)).map(({ prompt }) => ({ tokens: prompt.ids.length, images: prompt.imageTokens })),
  );
  const perPrompt = Math.max(...asksOf(groupsOf(0)).map((ask) => ask.places.length));
  const asked = (job.validation ?? []).slice(0, params.validateQueries ?? undefined);
  const held = validationPrompts(asked, params.guidelineMode, prompts);
  const greedyShapes = validationShapes(held, params.promptsPerStep * params.group);

  const shapes = trainingShapes(sizes, perPrompt, params);
  const { program, model, vision, referenceVision, generator } = gbaProgram(job, {
    shapes,
    sampled: samplingShapes(sizes, perPrompt),
    greedy: greedyShapes,
    grids: [...job.grids.values()],
  });
  const { layout } = model;
  const session = await program.load({ execution: job.compute.execution });
  try {
    await job.fillBase(session);
    const trainer = createTrainer(session, layout, params, params.steps);
    const embedder = createEmbedder(session, job.loadImage, vision);
    const reference =
      referenceVision === undefined ? undefined : createEmbedder(session, job.loadImage, referenceVision);
    const sight = {
      model,
      session,
      load: job.loadImage,
      graphs: vision.graphs,
      embedder,
      reference,
    };
    await trainer.start(job.resume?.state.arrays ?? { values: startAdapter(layout, params.seed) });
    const history = [...((job.resume?.state.state.history ?? []) as GbaMetric[])];
    const rollouts = [...(job.resume?.rollouts ?? [])];
    const validated = history.flatMap(({ step, 'eval_rewards/accuracy/mean': accuracy }) =>
      accuracy === undefined ? [] : [{ step, score: -accuracy }],
    );
    const selection = createSelection(params, params.steps, validated, job.resume?.state.best);

    const sampler = createSampler(generator, session, embedder, job);
    const batching = { config, params, shapes, pairCost, grids: job.grids, sight };

    const summary = await runSteps(
      job.resume?.state.state.step ?? 0,
      params.steps,
      async (step) => {
        const started = performance.now();
        const groups = groupsOf(step);
        const completions = await sampler.sample(groups, step);
        const judged = judgeStep(groups, completions, {
          weights: params.rewards,
          advantage: {
            scale: params.advantageScale,
            std: params.advantageStd,
            epsilon: params.advantageEpsilon,
          },
          checklist: job.checklistOf,
          decode: (tokens) => chat.tokenizer.decode(tokens),
        });
        const batches = await policyBatches(judged.rollouts, step, batching);
        const outcome = await trainer.step(step, batches);
        if (model.trainsTower === true) embedder.forget();
        const metric = gbaMetric({
          step,
          epoch: ((step + 1) * params.promptsPerStep) / job.queries.length,
          beta: params.beta,
          judged,
          outcome,
          batches,
          tokensBefore: history.at(-1)?.num_tokens ?? 0,
        });
        history.push(metric);
        rollouts.push(...judged.rollouts.map((rollout) => rolloutRecord(rollout, step + 1)));
        return {
          loss: outcome.loss,
          gradNorm: outcome.gradNorm,
          learningRate: outcome.learningRate,
          tokens: judged.rollouts.reduce(
            (sum, { prompt, completion }) => sum + prompt.ids.length + completion.tokens.length,
            0,
          ),
          figures: {
            reward: metric.reward,
            ...(metric.kl === undefined ? {} : { kl: metric.kl }),
            length: metric['completions/mean_length'],
            step_time: (performance.now() - started) / 1000,
          },
          rows: groups.map(([first]) => first?.case.id ?? ''),
        };
      },
      {
        progress: (done, figures) => io.progress(done, figures),
        signal: io.signal,
        async review(step) {
          if (!selection.due(step)) return undefined;
          const accuracy = await validationAccuracy(
            held,
            sampler,
            (tokens) => chat.tokenizer.decode(tokens),
            io.signal,
          );
          const figures = { 'eval_rewards/accuracy/mean': accuracy };
          history.push({ ...(history.pop() as GbaMetric), ...figures });
          selection.take({ step, score: -accuracy }, () => trainer.values());
          return { figures, last: selection.stalled() };
        },
        checkpoint: (step) =>
          io.checkpoint(
            step,
            {
              state: {
                job: 'gba',
                step,
                totalSteps: params.steps,
                layout: layout.entries.map((e) => ({ name: e.name, shape: [...e.shape] })),
                history: [...history],
              },
              arrays: trainer.capture(),
              best: selection.best()?.values,
            },
            [...rollouts],
          ),
      },
      settings,
    );
    return {
      values: selection.best()?.values ?? trainer.values(),
      keptStep: selection.best()?.step ?? history.length,
      history,
      rollouts,
      summary: { ...summary, samplingSeconds: sampler.seconds(), sampledTokens: sampler.tokens() },
    };
  } finally {
    session.dispose();
  }
};
