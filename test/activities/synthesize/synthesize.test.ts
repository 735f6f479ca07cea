import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTeacher } from '../../../activities/shell/openai-teacher.ts';
import { createSynthesizeStage } from '../../../activities/synthesize/activity.ts';
import { paradigmsOf } from '../../../activities/synthesize/requests.ts';
import type { Case } from '../../../schemas/case.ts';
import { Paradigm } from '../../../schemas/paradigm.ts';
import { Trace } from '../../../schemas/trace.ts';
import { startTeacher, TEACHER_MODEL, type RunningTeacher } from '../../../infra/demo/teacher.ts';
import { ingestStage } from '../../../activities/ingest/activity.ts';
import { bankFile } from '../clinic/_bank.ts';
import { caseWith } from '../_cases.ts';
import { rowsOf, runStage, scratchFolder } from '../_stage-io.ts';

const KEY = 'secret';
let root: string;
let remove: () => Promise<void>;
let teacher: RunningTeacher;
let cases: string;

beforeAll(async () => {
  ({ path: root, remove } = await scratchFolder());
  teacher = await startTeacher({ port: 0, key: KEY, bank: bankFile });
  const clinic = { format: 'clinic', casesPerSpecialty: 5, seed: 1, imageShare: 0.2, split: 'train' };
  const source = path.dirname(bankFile);
  cases = (await runStage(ingestStage, clinic, { source }, root)).outputs['cases']!;
});
afterAll(async () => {
  await teacher.close();
  await remove();
});

const portTo = (port: number, env: NodeJS.ProcessEnv = { TEST_KEY: KEY }, over = {}) =>
  openTeacher(
    { baseURL: `http://127.0.0.1:${port}/v1`, apiKeyEnv: 'TEST_KEY', maxInFlight: 4, retries: 3, ...over },
    env,
  );
const params = { paradigms: 'all', model: TEACHER_MODEL, maxTokens: 256, shard: { index: 0, count: 1 } };
const synthesize = (over = {}, port = portTo(teacher.port), io = {}) =>
  runStage(createSynthesizeStage(port), { ...params, ...over }, { cases }, root, io);
const tracesOf = async (outputs: Record<string, string>) =>
  (await rowsOf<Trace>(outputs['traces']!, 'traces.jsonl')).map((row) => Trace.parse(row));

/** An endpoint that answers as told and notes what it was asked. */
async function endpoint(
  answer: (request: IncomingMessage, body: unknown, attempt: number) => [number, object, object?],
) {
  const seen: {
    authorization: string | undefined;
    body: { messages: { role: string; content: unknown }[] };
  }[] = [];
  let inFlight = 0;
  let most = 0;
  const server = createServer((request, response) => {
    most = Math.max(most, ++inFlight);
    void json(request).then(async (body) => {
      seen.push({ authorization: request.headers.authorization, body: body as never });
      const [status, document, headers] = answer(request, body, seen.length);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inFlight--;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(document));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    seen,
    most: () => most,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
const completion = (content: string, over = {}) => ({
  id: 'x',
  object: 'chat.completion',
  created: 0,
  model: 'as-reported',
  choices: [
    { index: 0, message: { role: 'assistant', content, refusal: null }, finish_reason: 'stop', ...over },
  ],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
});

describe('synthesize', () => {
  it('makes one trace a case and paradigm, in order, with their digests', async () => {
    const { outputs, summary } = await synthesize();
    const traces = await tracesOf(outputs);
    expect(summary).toMatchObject({ cases: 20, traces: 80 });
    expect(traces.map(({ caseId, paradigm }) => `${caseId} ${paradigm}`)).toEqual(
      (await rowsOf<Case>(cases, 'cases.jsonl')).flatMap(({ id }) =>
        Paradigm.options.map((name) => `${id} ${name}`),
      ),
    );
    expect(new Set(traces.map(({ digest }) => digest)).size).toBe(80);
    expect(await tracesOf((await synthesize()).outputs)).toEqual(traces);
  });

  it('splits the cases among shards, each in exactly one', async () => {
    const ids = await Promise.all(
      [0, 1, 2].map(async (index) => {
        const { outputs } = await synthesize({ shard: { index, count: 3 } });
        return [...new Set((await tracesOf(outputs)).map(({ caseId }) => caseId))];
      }),
    );
    expect(ids.flat().toSorted()).toEqual(
      (await rowsOf<Case>(cases, 'cases.jsonl')).map(({ id }) => id).toSorted(),
    );
  });

  it('asks only what a checkpoint does not hold', async () => {
    const { outputs } = await synthesize();
    const all = await readFile(path.join(outputs['traces']!, 'traces.jsonl'), 'utf8');
    const resume = path.join(root, 'resume');
    await mkdir(resume, { recursive: true });
    await writeFile(path.join(resume, 'traces.jsonl'), `${all.split('\n').slice(0, 75).join('\n')}\n`);
    let asked = 0;
    const port = portTo(teacher.port);
    const counting = { ...port, ask: (...args: Parameters<typeof port.ask>) => (asked++, port.ask(...args)) };
    const again = await synthesize({}, counting, { resume });
    expect(await readFile(path.join(again.outputs['traces']!, 'traces.jsonl'), 'utf8')).toBe(all);
    expect(asked).toBe(5);
  });

  it('sends the guideline, the question, the options and the images, and nothing of the answer', async () => {
    const server = await endpoint(() => [200, completion('<think>x</think><answer>A</answer>')]);
    const { outputs } = await synthesize({}, portTo(server.port));
    await server.close();
    const [trace] = await tracesOf(outputs);
    expect(trace).toMatchObject({
      model: 'as-reported',
      answer: 'A',
      promptTokens: 7,
      completionTokens: 3,
      finishReason: 'stop',
    });
    const rows = await rowsOf<Case>(cases, 'cases.jsonl');
    const contents = server.seen.map(({ body }) => JSON.stringify(body));
    expect(contents).toHaveLength(80);
    for (const content of contents) {
      expect(content).toContain('This is a hard constraint');
      expect(content).not.toMatch(/gold|topics|clinic-train|"sign"/);
    }
    const withImages = rows.filter(({ images }) => images.length > 0).length;
    expect(contents.filter((content) => content.includes('data:image/png;base64,'))).toHaveLength(
      4 * withImages,
    );
    expect(server.seen[0]!.authorization).toBe(`Bearer ${KEY}`);
    expect(server.most()).toBeLessThanOrEqual(4);
  });

  it('waits and asks again after 429 and 500, and tells nobody but the log', async () => {
    const server = await endpoint((_, __, attempt) =>
      attempt % 5 === 1
        ? [429, { error: { message: 'slow down' } }, { 'retry-after-ms': '1' }]
        : [200, completion('<think>x</think><answer>A</answer>')],
    );
    const { summary } = await synthesize({}, portTo(server.port, { TEST_KEY: KEY }, { retries: 8 }));
    await server.close();
    expect(summary).toMatchObject({ traces: 80 });
    expect(server.seen.length).toBeGreaterThan(80);
  });

  it('keeps refusals, cut answers and bad requests as traces that say so', async () => {
    const outcomes: [number, object][] = [
      [200, completion('', { message: { role: 'assistant', content: null, refusal: 'no' } })],
      [200, completion('<think>x', { finish_reason: 'length' })],
      [400, { error: { message: 'image too large' } }],
    ];
    const server = await endpoint((_, __, attempt) => outcomes[attempt % 3]!);
    const { outputs } = await synthesize({}, portTo(server.port));
    await server.close();
    const reasons = new Set((await tracesOf(outputs)).map(({ finishReason }) => finishReason));
    expect(reasons).toEqual(new Set(['refusal', 'length', 'error']));
  });

  it('fails on a wrong key, a missing one and a model that is not there, with words that help', async () => {
    await expect(synthesize({}, portTo(teacher.port, { TEST_KEY: 'guess' }))).rejects.toThrow(/401/);
    await expect(synthesize({}, portTo(teacher.port, {}))).rejects.toThrow(/set TEST_KEY/);
    await expect(synthesize({ model: 'other' })).rejects.toThrow(/404/);
  });

  it('says so where the teacher stays away, so that the step is tried again later', async () => {
    const server = await endpoint(() => [
      503,
      { error: { message: 'overloaded' } },
      { 'retry-after-ms': '1' },
    ]);
    const busy = synthesize({}, portTo(server.port, { TEST_KEY: KEY }, { retries: 1 }));
    await expect(busy).rejects.toMatchObject({
      name: 'TeacherUnavailable',
      message: expect.stringMatching(/after 2 tries: 503/),
    });
    await server.close();
    await expect(
      synthesize({}, portTo(server.port, { TEST_KEY: KEY }, { retries: 0 })),
    ).rejects.toMatchObject({
      name: 'TeacherUnavailable',
    });
  });

  it('stops asking when it is cancelled', async () => {
    const stop = new AbortController();
    const server = await endpoint((_, __, attempt) => {
      if (attempt === 6) stop.abort(new Error('cancelled'));
      return [200, completion('<think>x</think><answer>A</answer>')];
    });
    await expect(synthesize({}, portTo(server.port), { signal: stop.signal })).rejects.toThrow('cancelled');
    await server.close();
    expect(server.seen.length).toBeLessThan(20);
  });
});

describe('paradigms in rotation', () => {
  it('give a case the same paradigm whatever the other cases, and spread evenly', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 800; i++) {
      const found = paradigmsOf(caseWith({ id: `case-${i}` }), 'rotate');
      expect(found).toHaveLength(1);
      expect(paradigmsOf(caseWith({ id: `case-${i}`, question: 'other' }), 'rotate')).toEqual(found);
      counts.set(found[0]!, (counts.get(found[0]!) ?? 0) + 1);
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(50);
  });
});
