// A table stands still under the hand that is in it, for a while, and says so when there is something newer.
import {el, text} from './words.js';

// Since the pointer moved in it last, or a key was pressed.
const MOST_MILLIS = 10000;

export class Hold {
  #touched = -MOST_MILLIS;
  #drawing = false;

  // points: whether a pointer over it holds it
  constructor(root, points) {
    this.root = root;
    this.points = points;
    this.why = el('span', {role: 'status'});
    this.newer = el('span', {'aria-hidden': 'true'});
    root.closest('section').querySelector('h2').append(el('span', {class: 'held'}, this.why, this.newer));
    const touch = () => { if (!this.#drawing) this.#touched = performance.now(); };
    for (const kind of ['pointermove', 'pointerdown', 'wheel', 'keydown', 'focusin']) root.addEventListener(kind, touch, {passive: true});
  }

  // Why it stands still now; an empty text when it does not.
  #reason() {
    if (document.querySelector('dialog[open]')) return 'held while a dialog is open';
    const selection = getSelection();
    if (selection && !selection.isCollapsed && this.root.contains(selection.anchorNode)) return 'held while text in it is selected';
    if (performance.now() - this.#touched > MOST_MILLIS) return '';
    if (this.points && this.root.matches(':hover')) return 'held while you point at it';
    return this.root.contains(document.activeElement) ? 'held while you are in it' : '';
  }

  // Draws it unless it is held.
  //   newer: what a drawing would show that is not there, in words, or an empty text
  show(newer, draw) {
    const why = newer ? this.#reason() : '';
    text(this.why, why);
    text(this.newer, why ? ': ' + newer : '');
    if (newer && !why) this.#draw(draw);
  }

  // The focus stays in the row that has it, or in the table.
  #draw(draw) {
    const at = this.root.contains(document.activeElement) ? document.activeElement.dataset.row ?? '' : null;
    this.#drawing = true;
    try {
      draw();
      if (at !== null) {
        const buttons = [...this.root.querySelectorAll('button')];
        (buttons.find((b) => b.dataset.row === at) ?? buttons[0])?.focus({preventScroll: true});
      }
    } finally {
      this.#drawing = false;
    }
  }
}
