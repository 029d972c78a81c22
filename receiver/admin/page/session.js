// The token: kept for this tab alone, sent as a bearer only. Whoever needs one while there is none waits for the sign-in, whose
// dialog lies over the view, so that nothing in it is lost.
import { h, field } from './dom.js';

const KEY = 'touchpointd.token';
let waiting = null;

export const token = () => sessionStorage.getItem(KEY);

export function signOut() {
  sessionStorage.removeItem(KEY);
  location.reload(); // nothing that was read stays in memory
}

async function isGood(text) {
  const reply = await fetch('api/v1/status', { headers: { Authorization: `Bearer ${text}` }, cache: 'no-store' });
  return reply.status !== 401;
}

function form(onToken) {
  const input = h('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true, spellcheck: 'false', autofocus: true });
  const problem = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  const submit = h('button', { type: 'submit', class: 'main' }, 'Sign in');
  const fail = (text) => {
    problem.textContent = text;
    problem.hidden = false;
    submit.disabled = false;
    input.focus();
  };
  return h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      submit.disabled = true;
      try {
        if (!/^[\x21-\x7e]+$/.test(text) || !(await isGood(text))) {
          fail('That token is not the right one. It is the first line of the file that admin.token_file names.');
          return;
        }
      } catch {
        fail('The daemon does not answer. Is it running, and is this address still the right one?');
        return;
      }
      onToken(text);
    },
  },
  h('h1', { id: 'sign-in-title' }, 'Sign in'),
  h('p', {}, 'Use the admin token. On the machine that runs touchpointd it is in the file that ', h('code', {}, 'admin.token_file'), ' names:'),
  h('pre', { tabindex: '0', 'aria-label': 'Command to run there' }, 'sudo cat /etc/touchpointd/admin.token'),
  field('Token', input, 'Kept for this tab until you sign out or close it.'),
  problem,
  h('div', { class: 'actions' }, submit));
}

/** Resolves when there is a token that the daemon takes. */
export function signIn() {
  waiting ??= new Promise((resolve) => {
    const dialog = h('dialog', { class: 'sign-in', 'aria-labelledby': 'sign-in-title' });
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.append(form((text) => {
      sessionStorage.setItem(KEY, text);
      waiting = null;
      dialog.close();
      dialog.remove();
      document.dispatchEvent(new Event('signed-in'));
      resolve();
    }));
    document.body.append(dialog);
    dialog.showModal();
  });
  return waiting;
}

/** The token that was refused is forgotten, unless another one has come in the meantime. */
export function refuse(refused) {
  if (token() === refused) sessionStorage.removeItem(KEY);
}
