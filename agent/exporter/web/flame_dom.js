/* What the two pages share: making elements, themes, and the words around a profile. */

function element(tag, attributes, ...children) {
	const e = document.createElement(tag);

	for (const [key, value] of Object.entries(attributes || {})) {
		if (key.startsWith('on'))
			e.addEventListener(key.slice(2), value);
		else if (value !== null && value !== undefined)
			e.setAttribute(key, value);
	}
	e.append(...children);
	return e;
}

function button(id, text, title, onclick) {
	return element('button', { id, type: 'button', title, onclick }, text);
}

/* The theme: the system's, unless this page was told otherwise. */
const theme = {
	query: window.matchMedia('(prefers-color-scheme: dark)'),
	listeners: [],

	get dark() {
		const chosen = document.documentElement.dataset.theme;

		return chosen ? chosen === 'dark' : this.query.matches;
	},

	choose(dark) {
		document.documentElement.dataset.theme = dark ? 'dark' : 'light';
		this.changed();
	},

	changed() {
		for (const listener of this.listeners)
			listener();
	},
};
theme.query.addEventListener('change', () => theme.changed());

/* A colour of the style sheet, for a canvas. */
function cssColour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const LOSSES = /^(missed|lost|no room)/;

/* What the reader must know before believing the picture: samples that are not in it. */
function lossText(losses) {
	const lost = losses.filter(([name, count]) => LOSSES.test(name) && count);

	return lost.length ? 'Not in this profile: ' +
		lost.map(([name, count]) => `${count.toLocaleString('en')} ${shown(name)}`).join(', ') + ' (samples)' : '';
}

function legend(diff) {
	const entries = diff ? [['less', 'less'], ['same', 'same'], ['more', 'more']] :
		[['user', 'kind0'], ['inlined', 'kind8'], ['kernel', 'kind1'], ['anonymous memory', 'kind2'], ['mark', 'kind4']];

	return element('span', { id: 'legend', 'aria-hidden': 'true' },
		...entries.map(([name, kind]) => element('span', { class: `key ${kind}` }, name)));
}
