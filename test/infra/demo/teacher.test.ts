import { APIError, OpenAI } from 'openai';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { findFault } from '../../../activities/clinic/adherence.ts';
import { caseRow, evidenceOf } from '../../../activities/clinic/case-row.ts';
import { DRAWING_SIDE, drawSign } from '../../../activities/clinic/drawing.ts';
import { rejectionOf } from '../../../activities/filter/filter.ts';
import { randomKey } from '../../../activities/nn/random.ts';
import { caseText, letterOf } from '../../../activities/synthesize/requests.ts';
import { Paradigm } from '../../../schemas/paradigm.ts';
import { Specialty } from '../../../schemas/specialty.ts';
import { pickSlip, SLIP_RATES } from '../../../infra/demo/slips.ts';
import { startTeacher, TEACHER_MODEL, type RunningTeacher } from '../../../infra/demo/teacher.ts';
import { createDraws } from '../../../activities/clinic/draws.ts';
import { traceWith } from '../../activities/_cases.ts';
import { bank, bankFile, drawCases } from '../../activities/clinic/_bank.ts';

let teacher: RunningTeacher;
let guidelines: Map<Paradigm, string>;
const prompts = path.resolve(import.meta.dirname, '../../../activities/synthesize/prompts');

beforeAll(async () => {
  teacher = await startTeacher({ port: 0, key: 'secret', bank: bankFile });
  guidelines = new Map(
    await Promise.all(
      Paradigm.options.map(
        async (name) => [name, await readFile(path.join(prompts, `${name}.md`), 'utf8')] as const,
      ),
    ),
  );
});
afterAll(() => teacher.close());

const clientOf = (apiKey = 'secret', maxRetries = 3) =>
  new OpenAI({ apiKey, baseURL: `http://127.0.0.1:${teacher.port}/v1`, maxRetries });

const ask = (client: OpenAI, paradigm: Paradigm, text: string, image?: string) =>
  client.chat.completions.create({
    model: TEACHER_MODEL,
    messages: [
      { role: 'system', content: guidelines.get(paradigm)! },
      {
        role: 'user',
        content: [
          ...(image === undefined ? [] : [{ type: 'image_url' as const, image_url: { url: image } }]),
          { type: 'text', text },
        ],
      },
    ],
  });

const text = Specialty.options.flatMap((pool) => drawCases(pool, false, 75));
const rows = text.map((drawn, i) => caseRow(bank, drawn, `case-${i}`, 'train'));

describe('the scripted teacher', () => {
  it('lists its model to who has the key, and nobody else', async () => {
    const models = await clientOf().models.list();
    expect(models.data.map(({ id }) => id)).toEqual([TEACHER_MODEL]);
    await expect(clientOf('guess').models.list()).rejects.toMatchObject({ status: 401 });
  });

  it('answers from the text it is sent, mostly right and as the paradigm demands, and errs at its rates', async () => {
    const client = clientOf();
    const answers = await Promise.all(
      rows.flatMap((row) =>
        Paradigm.options.map(async (paradigm) => {
          const { message } = (await ask(client, paradigm, caseText(row))).choices[0]!;
          const response = message.content ?? '';
          const finishReason = message.refusal === null ? 'stop' : 'refusal';
          const trace = traceWith(1, { caseId: row.id, paradigm, response, finishReason });
          const dropped = rejectionOf(trace, row, { dropAnswerFirst: true, dropContradictions: true });
          return (
            dropped ??
            (findFault(bank, evidenceOf(bank, row), paradigm, response) === undefined ? 'good' : 'review')
          );
        }),
      ),
    );
    const share = (outcome: string) => answers.filter((found) => found === outcome).length / answers.length;
    // Three standard deviations of a share at 1,200 answers.
    const near = (outcome: string, rate: number) =>
      expect(Math.abs(share(outcome) - rate), outcome).toBeLessThan(
        3 * Math.sqrt((rate * (1 - rate)) / answers.length) + 0.005,
      );
    near('wrong-answer', SLIP_RATES['wrong-letter']);
    near('review', SLIP_RATES['wrong-posterior']);
    near('malformed', SLIP_RATES.malformed);
    near('answer-first', SLIP_RATES['answer-first']);
    near('contradiction', SLIP_RATES.contradictory);
    near('refusal', SLIP_RATES.refusal);
    near('good', 0.79);
  });

  it('reads the sign off a drawing', async () => {
    const client = clientOf();
    let right = 0;
    const drawn = Specialty.options.flatMap((pool) => drawCases(pool, true, 6));
    for (const [i, one] of drawn.entries()) {
      const rgb = drawSign(bank.signs.indexOf(one.sign!), randomKey(9, i));
      const raw = { width: DRAWING_SIDE, height: DRAWING_SIDE, channels: 3 as const };
      const png = await sharp(rgb, { raw }).png().toBuffer();
      const row = caseRow(bank, one, `image-${i}`, 'train');
      const url = `data:image/png;base64,${png.toString('base64')}`;
      const { message } = (await ask(client, 'differential', caseText(row), url)).choices[0]!;
      if (message.content?.includes(`shows ${one.sign}`)) right++;
    }
    expect(right / drawn.length).toBeGreaterThan(0.85);
  });

  it('gives the same answer to the same request', async () => {
    const answer = async () => (await ask(clientOf(), 'bayesian', caseText(rows[0]!))).choices[0]!.message;
    expect(await answer()).toEqual(await answer());
  });

  it('fails the first attempt of some requests, and a client that retries never notices', async () => {
    const busy = await startTeacher({ port: 0, key: 'secret', bank: bankFile });
    const client = (maxRetries: number) =>
      new OpenAI({ apiKey: 'secret', baseURL: `http://127.0.0.1:${busy.port}/v1`, maxRetries });
    const failures: number[] = [];
    for (const row of rows.slice(0, 300)) {
      const attempt = ask(client(0), 'intuitive', caseText(row));
      await attempt.catch((error: unknown) => {
        if (!(error instanceof APIError)) throw error;
        failures.push(error.status as number);
      });
    }
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.length).toBeLessThan(20);
    expect(failures.filter((status) => status !== 429 && status !== 500)).toEqual([]);
    for (const row of rows.slice(0, 300)) await ask(client(0), 'intuitive', caseText(row));
    await busy.close();
  });

  it('refuses what it does not understand as the request’s fault, and says why', async () => {
    const client = clientOf('secret', 3);
    await expect(ask(client, 'bayesian', 'A man has hiccups.\n\nA. gout\nB. croup')).rejects.toThrow(
      /is no age/,
    );
    await expect(ask(client, 'bayesian', 'adult ward with fever\n\nA. gout\nB. hiccups')).rejects.toThrow(
      /no condition hiccups/,
    );
    await expect(
      client.chat.completions.create({ model: 'other', messages: [{ role: 'user', content: 'x' }] }),
    ).rejects.toMatchObject({ status: 404 });
    await expect(
      client.chat.completions.create({
        model: TEACHER_MODEL,
        messages: [{ role: 'user', content: caseText(rows[0]!) }],
      }),
    ).rejects.toThrow(/names no paradigm/);
  });
});

describe('slips', () => {
  it('come at their stated rates', () => {
    const counts: Record<string, number> = {};
    const total = 20_000;
    for (let i = 0; i < total; i++) {
      const slip = pickSlip(createDraws(randomKey(4, i))) ?? 'none';
      counts[slip] = (counts[slip] ?? 0) + 1;
    }
    for (const [slip, rate] of Object.entries(SLIP_RATES))
      expect(Math.abs((counts[slip] ?? 0) / total - rate), slip).toBeLessThan(0.006);
  });
});

describe('the letter of a response', () => {
  it('is read only from one <answer> with one letter in it', () => {
    expect(letterOf('<think>x</think><answer> B </answer>')).toBe('B');
    expect(letterOf('<answer>A</answer><answer>B</answer>')).toBeNull();
    expect(letterOf('<answer>option B</answer>')).toBeNull();
    expect(letterOf('Answer: B')).toBeNull();
  });
});
