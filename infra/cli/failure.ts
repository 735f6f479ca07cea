/** The chain of causes under an error, without repeating a message that its cause says already. */
const causes = (error: unknown): string[] => {
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (!messages.some((message) => message.includes((cause as Error).message))) messages.push(cause.message);
  return messages.length > 0 ? messages : [String(error)];
};

/** An error that says which exit code it stands for: 2 for what the user wrote wrong. */
const exitCodeOf = (error: unknown): number => {
  const stated: unknown = error instanceof Error ? Reflect.get(error, 'exitCode') : undefined;
  return typeof stated === 'number' ? stated : 1;
};

/**
 * Prints why a command failed, for people on stderr, with `--json` as a document on stdout, and returns the exit code.
 * `MMEDEXPERT_DEBUG=1` adds the stack.
 */
export function printFailure(error: unknown, json: boolean): number {
  const [message, ...under] = causes(error);
  const exitCode = exitCodeOf(error);
  const name = error instanceof Error ? error.name : 'Error';
  if (json)
    process.stdout.write(`${JSON.stringify({ error: { name, message, causes: under, exitCode } })}\n`);
  else {
    process.stderr.write(`error: ${message}\n`);
    for (const cause of under) process.stderr.write(`  because: ${cause}\n`);
  }
  if (process.env['MMEDEXPERT_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return exitCode;
}
