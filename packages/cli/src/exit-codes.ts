/** Exit codes of `nova`, which follow the conventions of shells and docker. */
export const usageExitCode = 2;
/** The CLI failed, not the command. */
export const notTheCommandExitCode = 125;
/** 128 + SIGPIPE: the reader of our output has closed it. */
export const brokenPipeExitCode = 141;
/** ssh itself failed, not the command: its own exit code for that. */
export const sshFailedExitCode = 255;
