import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { register } from '../../../infra/cli/train.ts';
import { Rollout } from '../../../schemas/rollout.ts';
import { hasShared, shared } from '../../_shared.ts';
import { caseWith } from '../../activities/_cases.ts';

/** Runs the verb in this process; resolves to the message of a usage error, undefined where there is none. */
const train = async (...args: string[]): Promise<string | undefined> => {
  const quiet = { writeOut: () => {}, writeErr: () => {} };
  const program = new Command().exitOverride().configureOutput(quiet);
  register(program);
  const inherit = (command: Command): void => {
    for (const child of command.commands) {
      child.copyInheritedSettings(command);
      inherit(child);
    }
  };
  inherit(program);
  try {
    await program.parseAsync(['train', ...args], { from: 'user' });
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
};

describe('the verb train gba refuses', () => {
  const needed = ['--model', 'x', '--data', 'x', '--out', '/nowhere/never', '--steps', '1'];
  it.each([
    [['--reward', 'accuracy'], 'It is NAME=WEIGHT'],
    [['--reward', 'accuracy=much'], 'It is a number'],
    [['--reward', 'accuracy=1', '--reward', 'accuracy=2'], 'accuracy is given twice'],
    [['--reward', 'kindness=1'], 'kindness'],
    [['--guideline-mode', 'some'], 'Allowed choices are rotate, all, mixed, none'],
    [['--group', '1'], 'group: Too small'],
  ])('%j', async (args, message) => {
    expect(await train('gba', ...needed, ...args)).toContain(message);
  });
});

describe.skipIf(!hasShared)('the verb train gba', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'mmedexpert-train-test-'));
    const rows = [caseWith({ id: 'a' }), caseWith({ id: 'b', images: [shared('golden/image-0.png')] })];
    await writeFile(path.join(root, 'cases.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  afterAll(() => rm(root, { recursive: true }));

  it('takes rewards one by one or together, and gives the same adapter each time', async () => {
    const run = async (name: string, ...rewards: string[]) => {
      const out = path.join(root, name);
      const settings =
        '--steps 2 --prompts-per-step 2 --group 2 --guideline-mode mixed --beta 0.01 --clip 0.2 --max-new-tokens 4 --learning-rate 1e-3 --seed 3 --rank 4';
      const files = ['--model', shared('golden/qwen2_vl'), '--data', path.join(root, 'cases.jsonl')];
      const start = ['--start', shared('golden/merge/adapter-AM'), '--out', out];
      expect(await train('gba', ...files, ...start, ...settings.split(' '), ...rewards)).toBeUndefined();
      const read = (file: string) => readFile(path.join(out, file));
      return {
        adapter: await read('adapter_model.safetensors'),
        rollouts: String(await read('rollouts.jsonl')),
      };
    };
    const together = await run('together', '--reward', 'structure=0.5', 'adherence=2');
    const apart = await run('apart', '--reward', 'structure=0.5', '--reward', 'adherence=2');
    expect(apart).toEqual(together);
    for (const line of together.rollouts.trim().split('\n')) {
      const { rewards, reward } = Rollout.parse(JSON.parse(line));
      expect(Object.keys(rewards)).toEqual(['accuracy', 'structure', 'adherence']);
      expect(reward).toBe(0.5 * rewards['structure']! + 2 * rewards['adherence']!);
    }
  });
});
