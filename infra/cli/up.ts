import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('up')
    .description('start the local servers and workers, and leave them running')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { homeFolders } = await import('../home.ts');
      const { ensureServers } = await import('../servers/servers.ts');
      const { startWorkers, workerStatus } = await import('../worker/supervisor.ts');
      const servers = await ensureServers(homeFolders());
      await startWorkers();
      const workers = await workerStatus();
      if (json) {
        process.stdout.write(`${JSON.stringify({ ...servers, workers }, null, 2)}\n`);
        return;
      }
      const lines = [
        `Temporal  ${servers.temporal?.address ?? process.env['TEMPORAL_ADDRESS']}  ${servers.temporal?.ui ?? ''}`,
        `S3        ${servers.s3?.endpoint ?? process.env['S3_ENDPOINT']}`,
        ...workers.map(
          ({ name, pid, queues, device }) =>
            `worker    ${name} (pid ${pid}) serves ${queues.join(', ')}${device === null ? '' : ` on device ${device}`}`,
        ),
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    });
};
