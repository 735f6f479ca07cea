import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('down')
    .description('stop the local workers and servers; data stay, open runs go on with the next `up`')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { homeFolders } = await import('../home.ts');
      const { stopServers } = await import('../servers/servers.ts');
      const { stopWorkers, workerStatus } = await import('../worker/supervisor.ts');
      const workers = (await workerStatus()).filter(({ alive }) => alive).map(({ name }) => name);
      await stopWorkers();
      const stopped = [...workers, ...(await stopServers(homeFolders()))];
      if (json) process.stdout.write(`${JSON.stringify({ stopped })}\n`);
      else
        process.stdout.write(
          stopped.length > 0 ? `stopped ${stopped.join(', ')}\n` : 'nothing was running\n',
        );
    });
};
