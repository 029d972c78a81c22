// Elements by hand. Whatever comes from the server gets in as text: there is no way here to insert markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

function apply(element, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'selected' || name === 'indeterminate') element[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  return element;
}

/** h('p', {class: 'note', onclick: f}, 'text', [more]) makes an element. */
export function h(tag, props, ...children) {
  return fill(apply(document.createElement(tag), props), children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return fill(apply(document.createElementNS(SVG, tag), props), children);
}

export function replace(element, ...children) {
  element.replaceChildren();
  return fill(element, children);
}

const FOCUSABLE = 'a[href], button, input, select, textarea, [tabindex]';

/** Shows anew what somebody may be in the middle of: the focus stays at its place. */
export function repaint(element, ...children) {
  const at = [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  replace(element, ...children);
  if (at >= 0) [...element.querySelectorAll(FOCUSABLE)].at(at)?.focus();
}

/** Nothing is shown anew behind an open dialog, so that the focus finds back when it is closed. */
export const isCovered = () => document.querySelector('dialog[open]') !== null;

let last = 0;
/** An id that no other element has. */
export function unique(prefix = 'id') {
  last += 1;
  return `${prefix}-${last}`;
}

/** Tells those who don't see the page. */
export function say(text) {
  const region = document.getElementById('say');
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}

/** A label above a control, with a hint below it. */
export function field(label, control, hint) {
  if (!control.id) control.id = unique('field');
  const note = hint ? h('small', { id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, note);
}

/** options: [value, text] pairs. */
export function select(props, options, value) {
  const element = h('select', props, options.map(([v, text]) => h('option', { value: v }, text)));
  element.value = value ?? '';
  if (element.selectedIndex < 0) element.selectedIndex = 0;
  return element;
}

export function button(text, onclick, props) {
  return h('button', { type: 'button', onclick, ...props }, text);
}
