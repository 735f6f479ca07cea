import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { verbs } from '../../../infra/cli/verbs.ts';

const CLI = path.resolve(import.meta.dirname, '../../../infra/cli/mmedexpert.mjs');

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const cli = (...args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

describe('the command line', () => {
  it('lists every verb with what it does', async () => {
    const { code, stdout } = await cli('--help');
    expect(code).toBe(0);
    for (const verb of Object.keys(verbs)) expect(stdout).toMatch(new RegExp(`^  ${verb} +\\w`, 'm'));
  });

  it.each(Object.entries(verbs))(
    'says the same of `%s` in the list and in its own help',
    async (name, verb) => {
      const program = new Command();
      (await verb.load()).register(program);
      expect(program.commands.map((command) => [command.name(), command.description()])).toEqual([
        [name, verb.about],
      ]);
    },
  );

  it.each(Object.entries(verbs))('lets `%s` and each verb under it print JSON', async (_, verb) => {
    const program = new Command();
    (await verb.load()).register(program);
    const ends = (command: Command): Command[] =>
      command.commands.length === 0 ? [command] : command.commands.flatMap(ends);
    for (const end of ends(program)) expect(end.options.map(({ long }) => long)).toContain('--json');
  });

  it('ends in silence where nobody reads what it prints', async () => {
    const child = spawn(process.execPath, [CLI, '--help']);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(stderr).toBe('');
  });

  it('names the verb that was meant, and exits with 2', async () => {
    const { code, stdout, stderr } = await cli('lineag');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain("error: unknown command 'lineag'\n(Did you mean lineage?)");
  });

  it('exits with 2 for an option that does not exist, a verb that lacks its words and no verb at all', async () => {
    const outcomes = await Promise.all([cli('up', '--jsn'), cli('status'), cli('store'), cli()]);
    expect(outcomes.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(outcomes[0].stderr).toContain("error: unknown option '--jsn'\n(Did you mean --json?)");
    expect(outcomes[1].stderr).toContain("error: missing required argument 'run'");
  });

  it('tells of wrong usage as one JSON document where JSON is asked for', async () => {
    const { code, stdout } = await cli('runn', '--json');
    expect([code, JSON.parse(stdout)]).toEqual([
      2,
      {
        error: {
          name: 'UsageError',
          message: expect.stringContaining("'runn'") as string,
          causes: [],
          exitCode: 2,
        },
      },
    ]);
  });
});
