import { Sandbox, type CreateOptions } from 'novasandbox';
import { assertNoLeaks } from './leaks.ts';
import { testHome, type TestHome } from './test-home.ts';

/** The SDK on a state folder of its own. Disposing removes the sandboxes and then searches for leftovers. */
export interface SdkUnderTest extends AsyncDisposable {
  readonly home: TestHome;
  create(options?: CreateOptions): Promise<Sandbox>;
}

export async function sdkUnderTest(options: Parameters<typeof testHome>[0] = {}): Promise<SdkUnderTest> {
  const home = await testHome(options);
  return {
    home,
    create: (config = {}) => Sandbox.create({ home: home.home, ...config }),
    [Symbol.asyncDispose]: async () => {
      try {
        for (const { id } of await Sandbox.list({ home: home.home, all: true })) await Sandbox.kill(id, home);
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}
