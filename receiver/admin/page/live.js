// Looking again and again while somebody looks.

/** Calls look() now and then every `seconds` after it ended, not while the tab is hidden, until the signal. */
export function live(seconds, signal, look) {
  let timer = null;
  let running = false;
  async function turn() {
    clearTimeout(timer);
    if (signal.aborted || running || document.hidden) return;
    running = true;
    let again = true;
    try {
      again = (await look()) !== false;
    } catch {
      // look() shows its own errors
    }
    running = false;
    if (again && !signal.aborted) timer = setTimeout(turn, seconds * 1000);
  }
  document.addEventListener('visibilitychange', turn, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  return turn();
}
