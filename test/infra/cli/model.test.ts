import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../activities/nn/checkpoint/safetensors-file.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { expectAllClose } from '../../_allclose.ts';
import { hasShared, shared } from '../../_shared.ts';
import { readGolden } from '../../activities/nn/models/_golden.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const cli = path.resolve(import.meta.dirname, '../../../infra/cli/mmedexpert.mjs');

const mmedexpert = (...args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

describe.skipIf(!hasShared)('the verb model', () => {
  const model = shared('golden/qwen2_vl');
  let folder: string;
  let input: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mmedexpert-model-test-'));
    input = path.join(folder, 'input.json');
    const messages = [
      { role: 'system', content: 'Reasoning:' },
      { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Describe the mass.' }] },
    ];
    const image = path.relative(folder, shared('golden/image-0.png'));
    await writeFile(input, JSON.stringify({ messages, images: [image] }));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('forward writes what the reference computes, from image files relative to the input', async () => {
    const out = path.join(folder, 'out.safetensors');
    const { code, stdout } = await mmedexpert(
      'model',
      'forward',
      '--model',
      model,
      '--input',
      input,
      '--out',
      out,
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      out,
      tensors: {
        input_ids: [38],
        position_ids: [3, 38],
        logits: [38, 614],
        image_embeds: [6, 64],
        pixel_values: [24, 1176],
        image_grid_thw: [1, 3],
      },
    });
    const golden = await readGolden('qwen2_vl');
    const file = await openSafetensors(nodeFolder(folder), 'out.safetensors');
    expect(Array.from((await file.readData('input_ids')) as BigInt64Array, Number)).toEqual(
      golden.cases[1]?.prompt_ids,
    );
    const pixels = await file.read('pixel_values');
    expect(pixels).toEqual(await golden.expected('image0.pixel_values'));
    expectAllClose(
      await file.read('logits'),
      await golden.expected('image.logits'),
      { rtol: 0, atol: 3e-4 },
      'logits',
    );
    await file.close();
  });

  it('generate answers greedily, and differently with an adapter', async () => {
    const golden = await readGolden('qwen2_vl');
    const common = [
      'model',
      'generate',
      '--model',
      model,
      '--input',
      input,
      '--max-new-tokens',
      '6',
      '--json',
    ];
    const [plain, adapted] = await Promise.all([
      mmedexpert(...common),
      mmedexpert(...common, '--adapter', shared('golden/qwen2_vl/adapter')),
    ]);
    const answer = JSON.parse(plain.stdout) as { text: string; token_ids: number[]; finish_reason: string };
    expect(answer.token_ids).toEqual(golden.cases[1]?.greedy_ids.slice(0, 6));
    expect(answer.finish_reason).toBe('length');
    expect(answer.text.length).toBeGreaterThan(0);
    expect((JSON.parse(adapted.stdout) as typeof answer).token_ids).not.toEqual(answer.token_ids);
  });

  it('forward adds a vector to the weights without rounding, scaled by eta', async () => {
    const logits = async (name: string, ...more: string[]): Promise<Float32Array> => {
      const out = path.join(folder, name);
      const common = ['--model', model, '--input', input, '--out', out];
      expect((await mmedexpert('model', 'forward', ...common, ...more)).code).toBe(0);
      const file = await openSafetensors(nodeFolder(folder), name);
      const values = await file.read('logits');
      await file.close();
      return values;
    };
    const vector = ['--vector', shared('golden/merge/adapter-AM')];
    const [added, adapted, none, plain] = await Promise.all([
      logits('added', ...vector),
      logits('adapted', '--adapter', shared('golden/merge/adapter-AM')),
      logits('none', ...vector, '--eta', '0'),
      logits('plain'),
    ]);
    expectAllClose(added, adapted, { rtol: 0, atol: 3e-4 }, 'base + vector against base and adapter');
    expect(none).toEqual(plain);
    const refused = await Promise.all(
      [
        [...vector, '--dtype', 'bfloat16'],
        ['--eta', '2'],
      ].map((more) => mmedexpert('model', 'generate', '--model', model, '--input', input, ...more)),
    );
    expect(refused.map(({ code }) => code)).toEqual([2, 2]);
    expect(refused[0]!.stderr).toContain('--vector is added without rounding');
    expect(refused[1]!.stderr).toContain('--eta is a factor on --vector');
  });

  it('ends with code 1 and the reason where the input is wrong, with code 2 where the command is', async () => {
    const bad = path.join(folder, 'bad.json');
    await writeFile(bad, JSON.stringify({ messages: [], pictures: [] }));
    const [wrong, contradictory, usage] = await Promise.all([
      mmedexpert('model', 'generate', '--model', model, '--input', bad),
      mmedexpert('model', 'generate', '--model', model, '--input', input, '--arithmetic', 'bfloat16'),
      mmedexpert('model', 'generate', '--model', model, '--input', input, '--max-new-tokens', 'many'),
    ]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('bad.json');
    expect(wrong.stderr).toContain('pictures');
    expect(contradictory.code).toBe(2);
    expect(contradictory.stderr).toContain('compute.arithmetic is bfloat16, but dtype is float32');
    expect(usage.code).toBe(2);
    expect(usage.stderr).toContain('whole number from 1');
  });

  it('align copies a model that answers the same, and refuses a folder that is not empty', async () => {
    const out = path.join(folder, 'aligned');
    const aligned = await mmedexpert('model', 'align', '--model', model, '--out', out, '--json');
    expect(aligned.code).toBe(0);
    expect(JSON.parse(aligned.stdout)).toEqual({ out });
    const generate = ['model', 'generate', '--input', input, '--max-new-tokens', '4', '--json', '--model'];
    const [before, after] = [await mmedexpert(...generate, model), await mmedexpert(...generate, out)];
    expect(after.stdout).toBe(before.stdout);
    const again = await mmedexpert('model', 'align', '--model', model, '--out', out);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(`${out} is not empty: give a new folder`);
  });
});
