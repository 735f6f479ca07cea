/** What is wrong with this Node, or nothing. */
export declare function nodeProblem(version?: string): string | undefined;

export type ProgramName = 'python3' | 'pip' | 'g++' | 'go';

/** Name, version (where it is there) and cure of each of these programs. */
export declare function inspect(
  names: Iterable<ProgramName>,
): { readonly name: ProgramName; readonly version: string | undefined; readonly cure: string }[];
