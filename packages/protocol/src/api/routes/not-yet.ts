/** What the engine cannot do yet, as its routes say it. */
export const later = {
  snapshots: 'Snapshots of running VMs are not there yet.',
  clone: 'Clones of running VMs are not there yet.',
  autoscale: 'Changing the size of VMs by their load is not there yet.',
  windows: 'Windows guests are not there yet.',
  networks: 'Named networks, policies and firewalls are not there yet.',
  quotas: 'Quotas are not there yet.',
  cluster: 'Clusters are not there yet.',
  audit: 'The audit log, scans, compliance reports and policies are not there yet.',
  desktop: 'Desktops are not there yet.',
  ai: 'AI sessions are not there yet.',
  mcp: 'The MCP server is not there yet.',
  alerts: 'Alerts are not there yet.',
} as const;
