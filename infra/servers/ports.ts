import { createServer, connect as dial } from 'node:net';

/** Whether something accepts connections at a local port. */
export const answers = (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = dial({ port, host });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(500, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

const listenable = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const found = typeof address === 'object' && address ? address.port : undefined;
      server.close(() => resolve(found));
    });
  });

/** A free local port: the preferred one, else one that the system picks. */
export async function freePort(preferred = 0): Promise<number> {
  const port = (await listenable(preferred)) ?? (await listenable(0));
  if (port === undefined) throw new Error('no local port is free');
  return port;
}

/** Waits until a local port accepts connections. Throws where `gone` says that its server ended, or time is up. */
export async function waitForPort(
  port: number,
  gone: () => string | undefined,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await answers(port))) {
    const why = gone();
    if (why !== undefined) throw new Error(why);
    if (Date.now() > deadline) throw new Error(`nothing answers at port ${port} after ${timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
