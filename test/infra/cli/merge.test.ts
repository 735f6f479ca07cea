import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, CommanderError } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { register } from '../../../infra/cli/merge.ts';
import { MergeReport } from '../../../schemas/merge-report.ts';
import { expectAllClose } from '../../_allclose.ts';
import { hasShared, shared } from '../../_shared.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'mmedexpert-merge-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs the verb in this process; resolves to the message of a usage error, undefined where there is none. */
const merge = async (...args: string[]): Promise<string | undefined> => {
  const program = new Command().exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  register(program);
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync(['merge', ...args], { from: 'user' });
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
};

const base = ['--base', shared('golden/qwen2_vl')];
const adapter = (name: string, more = ''): string[] => [
  '--adapter',
  `${name}=${shared(`golden/merge/adapter-${name}`)}${more}`,
];

describe('the verb merge refuses', () => {
  it.each([
    [['--adapter', 'AM'], 'NAME=DIR[:WEIGHT]'],
    [['--adapter', '7=x'], 'NAME=DIR[:WEIGHT]'],
    [['--adapter', 'A=x', '--adapter', 'A=y'], 'the name A is taken'],
    [['--adapter', 'A=x', '--method', 'average'], 'Allowed choices are ties'],
    [['--adapter', 'A=x', '--method', 'ties', '--density', 'half'], 'it is a number'],
    [['--adapter', 'A=x', '--method', 'ties', '--density', '2'], 'density: Too big'],
    [['--adapter', 'A=x', '--method', 'slerp'], 'slerp takes two --adapter'],
    [['--adapter', 'A=x'], '--method'],
  ])('%j', async (args, message) => {
    expect(await merge('--base', 'x', ...args, '--out', path.join(scratch, 'never'))).toContain(message);
    expect(readdirSync(scratch)).not.toContain('never');
  });
});

describe.skipIf(!hasShared)('the verb merge', () => {
  it('stops at Ctrl-C', async () => {
    process.on('newListener', function interrupt(event, listener) {
      if (event !== 'SIGINT') return;
      process.off('newListener', interrupt);
      queueMicrotask(() => listener());
    });
    const out = path.join(scratch, 'stopped');
    await expect(merge(...base, ...adapter('AM'), '--method', 'ties', '--out', out)).rejects.toThrow(
      'stopped by SIGINT',
    );
    expect(readdirSync(scratch)).toEqual(['stopped']);
    rmSync(out, { recursive: true });
  });

  it('stops at Ctrl-C while it verifies, and leaves the merged model, whose logits nobody compared', async () => {
    const out = path.join(scratch, 'unverified');
    // The card is the last file that merging writes, and verifying begins then.
    process.on('newListener', function interrupt(event, listener) {
      if (event !== 'SIGINT') return;
      process.off('newListener', interrupt);
      const watch = setInterval(() => {
        if (!existsSync(path.join(out, 'README.md'))) return;
        clearInterval(watch);
        listener();
      }, 1);
    });
    const verified = merge(...base, ...adapter('AM'), '--method', 'ties', '--out', out, '--verify');
    await expect(verified).rejects.toThrow('stopped by SIGINT');
    expect(readdirSync(scratch)).toEqual(['unverified']);
    const report: unknown = JSON.parse(readFileSync(path.join(out, 'merge-report.json'), 'utf8'));
    expect(MergeReport.parse(report).agreement).toBeNull();
    await (await openCheckpoint(nodeFolder(out))).close();
    rmSync(out, { recursive: true });
  });

  it('takes a weight after a colon, and leaves the model and no scratch behind', async () => {
    const out = path.join(scratch, 'model');
    await merge(
      ...base,
      ...adapter('AM'),
      ...adapter('BS', ':0.25'),
      '--method',
      'ties',
      '--density',
      '0.5',
      '--out',
      out,
    );
    const report = MergeReport.parse(JSON.parse(readFileSync(path.join(out, 'merge-report.json'), 'utf8')));
    expect(report.vectors).toEqual([
      { name: 'AM', weight: 1 },
      { name: 'BS', weight: 0.25 },
    ]);
    expect(report.params).toMatchObject({ density: 0.5, trim: 'tensor', lambda: 1 });
    expect(readdirSync(scratch)).toEqual(['model']);
    await expect(merge(...base, ...adapter('AM'), '--method', 'ties', '--out', out)).rejects.toThrow(
      'is not empty',
    );
  });

  it('keeps the merged vector where asked to', async () => {
    const out = path.join(scratch, 'linear');
    const vector = path.join(scratch, 'vector');
    await merge(...base, ...adapter('AM'), '--method', 'linear', '--out', out, '--vector-out', vector);
    expect(readdirSync(vector)).toEqual(['provenance.json', 'vector.safetensors']);
  });

  it('goes from the first adapter to the second by slerp, in the order given', async () => {
    const [there, back] = [path.join(scratch, 'there'), path.join(scratch, 'back')];
    const slerp = ['--method', 'slerp'];
    await merge(...base, ...adapter('AM'), ...adapter('CAH'), ...slerp, '--t', '0.25', '--out', there);
    await merge(...base, ...adapter('CAH'), ...adapter('AM'), ...slerp, '--t', '0.75', '--out', back);
    const name = 'model.layers.0.mlp.up_proj.weight';
    const read = [there, back].map(async (folder) => {
      const checkpoint = await openCheckpoint(nodeFolder(folder));
      const values = await checkpoint.read(name);
      await checkpoint.close();
      return values;
    });
    const [a, b] = await Promise.all(read);
    expectAllClose(a!, b!, { atol: 1e-7, rtol: 0 });
    expect(JSON.parse(readFileSync(path.join(there, 'merge-report.json'), 'utf8'))).toMatchObject({
      params: { ends: ['AM', 'CAH'], t: 0.25 },
    });
  });

  it('says by how much what is stored differs from what was merged, with an adapter alone on all three ways', async () => {
    const agreementOf = async (name: string, ...more: string[]) => {
      const out = path.join(scratch, name);
      await merge(...base, ...adapter('AM'), '--method', 'linear', '--out', out, ...more);
      const text = readFileSync(path.join(out, 'merge-report.json'), 'utf8');
      const card = readFileSync(path.join(out, 'README.md'), 'utf8');
      return { agreement: MergeReport.parse(JSON.parse(text)).agreement, card };
    };
    const exact = await agreementOf('exact');
    expect(exact.agreement!.pairs.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'adapter unrounded',
      'adapter stored',
      'unrounded stored',
    ]);
    for (const { maxAbs, meanKl, sameArgmax } of exact.agreement!.pairs) {
      expect(maxAbs).toBeLessThan(3e-4);
      expect(meanKl).toBeLessThan(1e-6);
      expect(sameArgmax).toBe(1);
    }
    const rounded = await agreementOf('rounded', '--dtype', 'bfloat16', '--lambda', '0.5');
    expect(rounded.agreement!.pairs).toHaveLength(1);
    expect(rounded.agreement!.pairs[0]!.maxAbs).toBeGreaterThan(1e-2);
    expect(rounded.agreement!.pairs[0]!.meanKl).toBeGreaterThan(0);
    expect(rounded.card).toContain('| base plus vector, unrounded | this model, read again |');
    const unseen = await agreementOf('unseen', '--no-verify');
    expect(unseen.agreement).toBeNull();
    expect(unseen.card).toContain('were not compared');
  });
});
