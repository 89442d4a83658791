import type { PresetName } from '@novasandbox/protocol';

export interface PresetHost {
  /** As in a rule. */
  readonly host: string;
  readonly ports: readonly number[];
}

export interface Preset {
  /** The purpose of these hosts. */
  readonly about: string;
  readonly hosts: readonly PresetHost[];
}

const https = (...hosts: readonly string[]): PresetHost[] => hosts.map((host) => ({ host, ports: [443] }));
const web = (...hosts: readonly string[]): PresetHost[] => hosts.map((host) => ({ host, ports: [80, 443] }));
const ssh = (...hosts: readonly string[]): PresetHost[] => hosts.map((host) => ({ host, ports: [22] }));

/**
 * The hosts of services. Hosts where anybody can publish under a name of their choice, such as those of pages, are left
 * out.
 */
export const presets: Readonly<Record<PresetName, Preset>> = {
  github: {
    about: 'clone, push and download from GitHub, and call its API',
    hosts: [
      ...https('github.com', 'api.github.com', 'uploads.github.com', 'codeload.github.com', 'lfs.github.com'),
      ...https('raw.githubusercontent.com', 'objects.githubusercontent.com', 'media.githubusercontent.com'),
      ...https('release-assets.githubusercontent.com', 'github-cloud.githubusercontent.com', 'ssh.github.com'),
      ...ssh('github.com'),
    ],
  },
  gitlab: {
    about: 'clone, push and download from GitLab.com, and call its API',
    hosts: [...https('gitlab.com', 'registry.gitlab.com', 'altssh.gitlab.com'), ...ssh('gitlab.com')],
  },
  npm: { about: 'install packages for Node', hosts: https('registry.npmjs.org', 'registry.yarnpkg.com') },
  pypi: { about: 'install packages for Python', hosts: https('pypi.org', 'files.pythonhosted.org') },
  crates: {
    about: 'build programs in Rust with their dependencies',
    hosts: https('crates.io', 'index.crates.io', 'static.crates.io', 'static.rust-lang.org'),
  },
  go: {
    about: 'build programs in Go with their dependencies',
    hosts: https('proxy.golang.org', 'sum.golang.org', 'go.dev', 'dl.google.com'),
  },
  maven: {
    about: 'build programs in Java with their dependencies',
    hosts: https('repo.maven.apache.org', 'repo1.maven.org', 'plugins.gradle.org', 'services.gradle.org'),
  },
  rubygems: { about: 'install packages for Ruby', hosts: https('rubygems.org', 'index.rubygems.org') },
  apt: {
    about: 'install packages of Debian and Ubuntu',
    hosts: web(
      ...['deb.debian.org', 'security.debian.org', 'cdn-fastly.deb.debian.org', 'snapshot.debian.org'],
      ...['archive.ubuntu.com', 'security.ubuntu.com', 'ports.ubuntu.com'],
    ),
  },
  docker: {
    about: 'pull images from Docker Hub',
    hosts: https(
      ...['registry-1.docker.io', 'auth.docker.io', 'index.docker.io', 'production.cloudflare.docker.com'],
      'docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com',
    ),
  },
  anthropic: { about: 'call models of Anthropic', hosts: https('api.anthropic.com') },
  openai: { about: 'call models of OpenAI', hosts: https('api.openai.com') },
  'google-ai': { about: 'call models of Google', hosts: https('generativelanguage.googleapis.com') },
  huggingface: {
    about: 'download models and data sets from Hugging Face',
    hosts: https('huggingface.co', 'cdn-lfs.huggingface.co', 'cdn-lfs.hf.co', 'cas-bridge.xethub.hf.co'),
  },
};
