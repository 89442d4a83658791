/** Port of the agent API. The host serves it, never a program that listens there in the guest. */
export const agentPort = 49_983;
