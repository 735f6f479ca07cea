/** The folder of what set-up downloads and builds. */
export declare function cacheFolder(env?: NodeJS.ProcessEnv): string;
