/** The user name of an SSH client that stands for the sandbox's own user. */
export const defaultUserName = 'default';
