// The list of tests.
import { shut, tab } from './browser.mjs';

export const tests = [];

/** body(page) gets a tab of its own, signed in unless o says otherwise. */
export function test(name, body, o) {
  tests.push({
    name,
    run: async () => {
      const page = await tab(o);
      try {
        await body(page);
      } catch (error) {
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/failed-${tests.findIndex((t) => t.name === name)}.png` });
        await page.context().close();
        throw page.complaints.length > 0 ? new Error(`${error.stack}\n  the browser said: ${page.complaints.join('\n  ')}`) : error;
      }
      await shut(page);
    },
  });
}
