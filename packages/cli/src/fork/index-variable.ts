/** Tells a command the number of its child. */
export const indexVariable = 'NOVA_FORK_INDEX';
