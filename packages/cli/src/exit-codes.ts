/** Exit codes of `nova`, as shells and docker have them. */
export const usageExitCode = 2;
/** A time limit ended the command, as `timeout` says it. */
export const timeoutExitCode = 124;
/** It was us, not the command, that failed. */
export const notTheCommandExitCode = 125;
/** 128 + SIGPIPE: the reader of our output has left. */
export const brokenPipeExitCode = 141;
