import type { Command } from 'commander';
import type { Finding } from '../doctor/finding.ts';

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

const line = ({ name, state, says, cure }: Finding): string =>
  `${MARKS[state]}  ${name.padEnd(20)} ${says}${cure === undefined ? '' : `\n      ${' '.repeat(20)} → ${cure}`}`;

export const register = (program: Command): void => {
  program
    .command('doctor')
    .description('say what is missing or misconfigured, and what to do about it')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { examine } = await import('../doctor/examine.ts');
      const findings: Finding[] = [];
      for await (const finding of examine()) {
        findings.push(finding);
        if (!json) process.stdout.write(`${line(finding)}\n`);
      }
      const failed = findings.filter(({ state }) => state === 'fail').length;
      if (json) process.stdout.write(`${JSON.stringify({ ok: failed === 0, findings }, null, 2)}\n`);
      if (failed > 0) process.exitCode = 1;
    });
};
