import { run } from './harness.mjs';
import './login.mjs';
import './query.mjs';
import './write.mjs';
import './bulk.mjs';
import './schema.mjs';

process.exitCode = await run();
