import path from 'node:path';

/** Where this home keeps what belongs to one project folder: server data, logs, scratch. Git ignores it. */
export interface Home {
  readonly root: string;
  /** Addresses and processes of the local servers. */
  readonly serversFile: string;
  /** Keys of the local S3 server, readable by the owner only. */
  readonly credentialsFile: string;
  readonly workersFile: string;
  readonly temporalDatabase: string;
  readonly s3Data: string;
  readonly logs: string;
  readonly stepLogs: string;
  readonly scratch: string;
  /** Bundled workflow code, one file a version. */
  readonly bundles: string;
  /** Copies of single-file sources, each in a folder of its own. */
  readonly staging: string;
  readonly sourceCache: string;
}

/** The state folder: `MMEDEXPERT_HOME`, else `.mmedexpert` in the working directory. Nothing is made here. */
export function homeFolders(env: NodeJS.ProcessEnv = process.env): Home {
  const root = path.resolve(env['MMEDEXPERT_HOME'] ?? '.mmedexpert');
  const at = (...names: string[]) => path.join(root, ...names);
  return {
    root,
    serversFile: at('servers.json'),
    credentialsFile: at('credentials.json'),
    workersFile: at('workers.json'),
    temporalDatabase: at('temporal.db'),
    s3Data: at('s3'),
    logs: at('logs'),
    stepLogs: at('logs', 'steps'),
    scratch: at('scratch'),
    bundles: at('bundles'),
    staging: at('staging'),
    sourceCache: at('sources.json'),
  };
}
