import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pLimit from 'p-limit';
import { digestOf } from '../../artifacts/canonical.ts';
import { Case } from '../../schemas/case.ts';
import { Paradigm } from '../../schemas/paradigm.ts';
import { Trace } from '../../schemas/trace.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage, type StageIo } from '../stage.ts';
import { caseText, letterOf, paradigmsOf, SynthesizeParams } from './requests.ts';
import type { TeacherPort } from './teacher-port.ts';

/** Answers between two checkpoints: what a killed worker asks again at most, beside what was in flight. */
const CHECKPOINT_ANSWERS = 200;
const promptFile = (paradigm: Paradigm): string => `activities/synthesize/prompts/${paradigm}.md`;
const ROOT = path.resolve(import.meta.dirname, '../..');

const inShard = ({ id }: Case, { index, count }: SynthesizeParams['shard']): boolean =>
  createHash('sha256').update(id).digest().readUInt32BE(0) % count === index;

const dataUrl = async (file: string): Promise<string> => {
  const type = /\.jpe?g$/i.test(file) ? 'jpeg' : path.extname(file).slice(1).toLowerCase();
  return `data:image/${type};base64,${(await readFile(file)).toString('base64')}`;
};

const nameOf = ({ caseId, paradigm }: Pick<Trace, 'caseId' | 'paradigm'>): string => `${paradigm} ${caseId}`;

async function synthesize(params: SynthesizeParams, io: StageIo, teacher: TeacherPort) {
  const folder = io.inputs['cases']!;
  const prompts = new Map(
    await Promise.all(
      Paradigm.options.map(
        async (paradigm) =>
          [paradigm, await readFile(path.join(ROOT, promptFile(paradigm)), 'utf8')] as const,
      ),
    ),
  );
  const cases = (await readRows(path.join(folder, 'cases.jsonl'), Case)).filter((one) =>
    inShard(one, params.shard),
  );
  const tasks = cases.flatMap((one) =>
    paradigmsOf(one, params.paradigms).map((paradigm) => ({ one, paradigm })),
  );
  const kept = io.resume ? await readRows(path.join(io.resume, 'traces.jsonl'), Trace) : [];
  const done = new Map(kept.map((trace) => [nameOf(trace), trace]));
  const ordered = () =>
    tasks.flatMap(({ one, paradigm }) => done.get(nameOf({ caseId: one.id, paradigm })) ?? []);

  const ask = async (one: Case, paradigm: Paradigm): Promise<Trace> => {
    const answer = await teacher.ask(
      {
        model: params.model,
        system: prompts.get(paradigm) ?? '',
        images: await Promise.all(one.images.map((image) => dataUrl(path.join(folder, image)))),
        text: caseText(one),
        temperature: params.temperature,
        maxTokens: params.maxTokens,
      },
      io.signal,
    );
    const said = { caseId: one.id, paradigm, response: answer.text };
    // Parsed, so that fields have the schema's order whether a trace was just made or read from a checkpoint.
    return Trace.parse({
      version: 1,
      digest: digestOf(said),
      ...said,
      ...(one.specialty === undefined ? {} : { specialty: one.specialty }),
      model: answer.model,
      finishReason: answer.finishReason,
      answer: letterOf(answer.text),
      promptTokens: answer.promptTokens,
      completionTokens: answer.completionTokens,
    });
  };

  // Each request in flight listens to the signal.
  setMaxListeners(teacher.maxInFlight + 10, io.signal);
  const limit = pLimit(teacher.maxInFlight);
  const failed = new AbortController();
  let saving = Promise.resolve();
  const work = tasks
    .filter(({ one, paradigm }) => !done.has(nameOf({ caseId: one.id, paradigm })))
    .map(({ one, paradigm }) =>
      limit(async () => {
        io.signal.throwIfAborted();
        failed.signal.throwIfAborted();
        const trace = await ask(one, paradigm);
        done.set(nameOf(trace), trace);
        io.progress({ done: done.size, total: tasks.length, unit: 'traces', figures: {} });
        if (done.size % CHECKPOINT_ANSWERS === 0 && done.size < tasks.length) {
          const [step, rows] = [done.size, ordered()];
          saving = saving.then(() =>
            io.checkpoint(step, (to) => writeJsonl(path.join(to, 'traces.jsonl'), rows)),
          );
          saving.catch((error: unknown) => failed.abort(error));
        }
      }).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
  await Promise.all(work);
  await saving;
  const traces = ordered();
  await writeJsonl(path.join(io.outputs['traces']!, 'traces.jsonl'), traces);
  const sum = (of: (trace: Trace) => number) => traces.reduce((total, trace) => total + of(trace), 0);
  return {
    cases: cases.length,
    traces: traces.length,
    refused: sum(({ finishReason }) => (finishReason === 'refusal' ? 1 : 0)),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
  };
}

/** Reasoning traces by a teacher, one a case and paradigm, for one shard of the cases. */
export const createSynthesizeStage = (teacher: TeacherPort) =>
  defineStage({
    name: 'synthesize',
    specVersion: 1,
    params: SynthesizeParams,
    outputs: { traces: 'traces' },
    determinism: 'recorded',
    resources: 'cpu',
    code: ['activities/synthesize/requests.ts', ...Paradigm.options.map(promptFile)],
    run: (params, io) => synthesize(params, io, teacher),
  });
