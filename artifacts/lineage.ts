import type { ActionPreimage } from '../schemas/action.ts';
import type { Digest } from '../schemas/digest.ts';
import { EdgeEntry } from '../schemas/index-entry.ts';
import { readPreimage, readResult } from './actions.ts';
import { edgePrefix } from './keys.ts';
import type { CallOptions } from './object-port.ts';
import { readSealed } from './sealed.ts';
import type { ArtifactStore } from './store.ts';

/** An action in a lineage tree, between an artifact and what it was made from (`up`) or what it made of it (`down`). */
export interface LineageAction {
  readonly key: Digest;
  readonly stage: string;
  /** Name the artifact above has in this action, as an output (`up`) or input (`down`). */
  readonly name: string;
  /** Parameters that differ from the defaults. */
  readonly params: ActionPreimage['params'];
  /** The action's result now holds another artifact under this name: it was recomputed with another outcome. */
  readonly superseded: boolean;
  readonly endedAt: string | undefined;
  readonly artifacts: readonly LineageNode[];
}

export interface LineageNode {
  readonly digest: Digest;
  /** Name in the action above; undefined at the root. */
  readonly name: string | undefined;
  readonly kind: string;
  /** Bytes. */
  readonly size: number;
  /** Shown before in this tree, with its actions; `actions` is empty here. */
  readonly shared: boolean;
  readonly actions: readonly LineageAction[];
}

type Direction = 'up' | 'down';

/** What an artifact came from, to its sources: the actions that made it, their inputs, and so on. */
export const lineageUp = (
  store: ArtifactStore,
  digest: Digest,
  options: CallOptions = {},
): Promise<LineageNode> => treeOf(store, digest, 'up', options);

/** What was made of an artifact: the actions that read it, their outputs, and so on. */
export const lineageDown = (
  store: ArtifactStore,
  digest: Digest,
  options: CallOptions = {},
): Promise<LineageNode> => treeOf(store, digest, 'down', options);

/** Actions next to one artifact, with the artifacts on their other side. */
interface Step {
  readonly edge: EdgeEntry;
  readonly preimage: ActionPreimage;
  readonly superseded: boolean;
  readonly endedAt: string | undefined;
  readonly artifacts: readonly { name: string; digest: Digest }[];
}

async function treeOf(
  store: ArtifactStore,
  root: Digest,
  direction: Direction,
  options: CallOptions,
): Promise<LineageNode> {
  const steps = new Map<Digest, readonly Step[]>();
  const descriptions = new Map<Digest, { kind: string; size: number }>();
  for (let wave = [root]; wave.length > 0;) {
    await Promise.all(
      wave.map(async (digest) => {
        const [next, { kind, size }] = await Promise.all([
          stepsOf(store, digest, direction, options),
          store.manifest(digest, options).catch(() => ({ kind: 'damaged', size: 0 })),
        ]);
        steps.set(digest, next);
        descriptions.set(digest, { kind, size });
      }),
    );
    const reached = wave.flatMap((digest) => (steps.get(digest) ?? []).flatMap((step) => step.artifacts));
    wave = [...new Set(reached.map(({ digest }) => digest))].filter((digest) => !steps.has(digest));
  }
  const shown = new Set<Digest>();
  const node = (digest: Digest, name: string | undefined): LineageNode => {
    const next = steps.get(digest) ?? [];
    const shared = shown.has(digest) && next.length > 0;
    shown.add(digest);
    const { kind, size } = descriptions.get(digest) ?? { kind: 'unknown', size: 0 };
    const actions = shared ? [] : next.map((step) => actionNode(step, node));
    return { digest, name, kind, size, shared, actions };
  };
  return node(root, undefined);
}

const actionNode = (
  { edge, preimage, superseded, endedAt, artifacts }: Step,
  node: (digest: Digest, name: string) => LineageNode,
): LineageAction => ({
  key: edge.key,
  stage: edge.stage,
  name: edge.name,
  params: preimage.params,
  superseded,
  endedAt,
  artifacts: artifacts.map(({ digest, name }) => node(digest, name)),
});

async function stepsOf(
  store: ArtifactStore,
  digest: Digest,
  direction: Direction,
  options: CallOptions,
): Promise<Step[]> {
  const objects: string[] = [];
  for await (const { key } of store.port.list(
    edgePrefix(direction === 'up' ? 'made-by' : 'used-by', digest),
    options,
  ))
    objects.push(key);
  return Promise.all(
    objects.map(async (object): Promise<Step[]> => {
      const edge = (await readSealed(store.port, object, EdgeEntry, options))?.value;
      if (!edge) return [];
      const [preimage, result] = await Promise.all([
        readPreimage(store, edge.key, options),
        readResult(store, edge.key, options),
      ]);
      const outputs = Object.entries(result?.outputs ?? {}).map(([name, output]) => ({
        name,
        digest: output.digest,
      }));
      const inputs = Object.entries(preimage.inputs).map(([name, input]) => ({ name, digest: input }));
      const stillCounts = outputs.some((output) => output.name === edge.name && output.digest === digest);
      return [
        {
          edge,
          preimage,
          superseded: direction === 'up' && !stillCounts,
          endedAt: result?.endedAt,
          artifacts: direction === 'up' ? inputs : outputs,
        },
      ];
    }),
  ).then((steps) => steps.flat());
}
