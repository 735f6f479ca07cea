import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';

const script = `
  import { Command } from 'commander';
  import { register } from './infra/cli/config.ts';
  const program = new Command();
  register(program);
  await program.parseAsync(process.argv.slice(1), { from: 'user' });
`;

const config = async (...args: string[]): Promise<string> => {
  const node = ['--import', 'tsx', '--input-type=module', '-e', script, '--', 'config', ...args];
  const cwd = path.resolve(import.meta.dirname, '../../..');
  return (await promisify(execFile)(process.execPath, node, { cwd })).stdout;
};

describe('config show', () => {
  it('prints the resolved configuration and nothing else as JSON', async () => {
    const printed: unknown = JSON.parse(
      await config('show', '--preset', 'paper-2b', '--set', 'seed=4', '--json'),
    );
    expect(PipelineConfig.parse(printed)).toEqual({ ...presets['paper-2b'], seed: 4 });
  });

  it('says of each value who wrote it and where the paper states it', async () => {
    const text = await config('show', '--preset', 'paper-7b', '--variant', 'grpo', '--sources');
    expect(text).toContain('gba.group = 8\n    preset paper-7b; paper, eq. 4: G = 8 rollouts a query\n');
    expect(text).toContain('gba.start = "base"\n    variant grpo\n');
    expect(text).toMatch(/gba\.learningRate = 0\.000001\n {4}preset paper-7b; assumed: /);
  });
});

describe('config schema', () => {
  it('prints a JSON Schema that allows no unknown key', async () => {
    const schema = JSON.parse(await config('schema')) as {
      properties: object;
      additionalProperties: boolean;
    };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(PipelineConfig.shape));
    expect(schema.additionalProperties).toBe(false);
  });
});
