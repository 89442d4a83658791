/** What the engine cannot do yet, as its routes say it. */
export const later = {
  snapshots: 'Snapshots of running VMs are not there yet.',
  clone: 'Clones of running VMs are not there yet.',
  autoscale: 'Changing the size of VMs by their load is not there yet.',
  windows: 'Windows guests are not there yet.',
  networks: 'Named networks, policies and firewalls are not there yet.',
  quotas: 'Quotas and allocations are not there yet.',
  cluster: 'Clusters are not there yet.',
  audit: 'The audit log, scans and compliance reports are not there yet.',
  desktop: 'Desktops are not there yet.',
  alerts: 'Alerts are not there yet.',
} as const;
