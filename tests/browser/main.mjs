// Runs the tests one after another: they share an org and a daemon, and each makes what it needs.
import { close } from './browser.mjs';
import { tests } from './test.mjs';

await import('./sign_in.mjs');
await import('./messages.mjs');
await import('./campaigns.mjs');
await import('./jobs.mjs');
await import('./views.mjs');

const words = process.argv.slice(2);
let [passed, failed] = [0, 0];
for (const { name, run } of tests) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  const from = Date.now();
  try {
    await run();
    passed += 1;
    console.log(`ok      ${name} (${((Date.now() - from) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.stack ?? error}`);
  }
}
await close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
