/* What the two pages share: making elements, and the words around a profile. */

function element(tag, attributes, ...children) {
	const e = document.createElement(tag);

	for (const [key, value] of Object.entries(attributes || {})) {
		if (key.startsWith('on'))
			e.addEventListener(key.slice(2), value);
		else
			e.setAttribute(key, value);
	}
	e.append(...children);
	return e;
}

const LOSSES = /^(missed|lost|no room)/;

/* What the reader must know before believing the picture: samples that are not in it. */
function lossText(meta) {
	const lost = meta.losses.filter(([name, count]) => LOSSES.test(name) && count);

	return lost.length ? 'Not in this profile: ' +
		lost.map(([name, count]) => `${count.toLocaleString('en')} ${name}`).join(', ') + ' (samples)' : '';
}

function legend() {
	const entries = [['user', KIND.USER], ['inlined', KIND.INLINED], ['kernel', KIND.KERNEL], ['anonymous memory', KIND.JIT],
		['mark', KIND.MARK]];

	return element('span', { id: 'legend' }, ...entries.map(([name, kind]) => element('span', { class: `key kind${kind}` }, name)));
}
