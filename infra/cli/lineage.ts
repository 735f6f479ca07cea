import type { Command } from 'commander';
import { type LineageAction, lineageDown, type LineageNode, lineageUp } from '../../artifacts/lineage.ts';
import { connectStore } from '../connect.ts';
import { formatBytes } from './format-bytes.ts';

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12);

const artifactLine = ({ digest, name, kind, size, shared }: LineageNode): string =>
  `${name === undefined || name === kind ? '' : `${name}: `}${kind} ${short(digest)}  ${formatBytes(size)}${shared ? '  (see above)' : ''}`;

function actionLine({ stage, key, name, params, superseded }: LineageAction): string {
  const settings = Object.entries(params).map(([field, value]) => `${field}=${JSON.stringify(value)}`);
  const text = settings.join(' ');
  const shown = text.length > 100 ? `${text.slice(0, 99)}…` : text;
  return `${stage} ${short(key)} (${name})${superseded ? '  superseded' : ''}${shown === '' ? '' : `  ${shown}`}`;
}

/** The tree as lines: artifacts and actions by turns, each shared artifact with its actions once. */
function linesOf(node: LineageNode, indent = ''): string[] {
  return node.actions.flatMap((action, i) => {
    const last = i === node.actions.length - 1;
    const inner = `${indent}${last ? '   ' : '│  '}`;
    return [
      `${indent}${last ? '└─ ' : '├─ '}${actionLine(action)}`,
      ...action.artifacts.flatMap((artifact, j) => {
        const lastArtifact = j === action.artifacts.length - 1;
        return [
          `${inner}${lastArtifact ? '└─ ' : '├─ '}${artifactLine(artifact)}`,
          ...linesOf(artifact, `${inner}${lastArtifact ? '   ' : '│  '}`),
        ];
      }),
    ];
  });
}

async function show(query: typeof lineageUp, name: string, json: boolean): Promise<void> {
  const store = await connectStore();
  try {
    const tree = await query(store, await store.resolve(name));
    const lines = json ? [JSON.stringify(tree, null, 2)] : [artifactLine(tree), ...linesOf(tree)];
    process.stdout.write(`${lines.join('\n')}\n`);
  } finally {
    store.close();
  }
}

/** `lineage up|down`. */
export const register = (program: Command): void => {
  const lineage = program
    .command('lineage')
    .description('where artifacts come from and what was made of them');
  const artifact = 'digest, 6 or more digits of one, or a ref such as run/ID/merge/final';
  lineage
    .command('up')
    .description('what an artifact came from, down to its sources')
    .argument('<artifact>', artifact)
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) => show(lineageUp, name, options.json === true));
  lineage
    .command('down')
    .description('what was made of an artifact')
    .argument('<artifact>', artifact)
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) => show(lineageDown, name, options.json === true));
};
