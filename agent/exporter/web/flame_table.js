/* The table of functions. */

const COLUMNS = [
	{ id: 'self', title: 'Self', value: (row) => row.self },
	{ id: 'total', title: 'Total', value: (row) => row.total },
	{ id: 'name', title: 'Function', value: (row) => row.name },
	{ id: 'mapping', title: 'File', value: (row) => row.mapping },
];
const TABLE_ROWS = 500; /* heavier ones first; nobody reads further, and the search narrows */

class Table {
	constructor(profile, view, onPick) {
		this.profile = profile;
		this.view = view;
		this.onPick = onPick;
		this.column = COLUMNS[0];
		this.body = element('tbody');
		this.head = element('tr', {}, ...COLUMNS.map((c) => element('th', { scope: 'col' },
			element('button', { type: 'button', onclick: () => this.sortBy(c) }, c.title))));
		this.element = element('div', { id: 'table', tabindex: '0', hidden: '' },
			element('table', {}, element('thead', {}, this.head), this.body));
	}

	sortBy(column) {
		this.column = column;
		this.fill();
	}

	fill() {
		const p = this.profile, whole = p.totalNs[this.view.top], { value } = this.column;
		const rows = p.functions(this.view.focus)
			.filter((row) => p.frames.kind[row.frame] < KIND.PROCESS || p.frames.kind[row.frame] & KIND.INLINED)
			.filter((row) => !this.view.matches || this.view.matches[row.frame])
			.map((row) => ({ ...row, name: p.name(row.node), mapping: p.mapping(row.node) }));

		rows.sort((a, b) => typeof value(a) === 'number' ? value(b) - value(a) : value(a) < value(b) ? -1 : 1);
		this.body.replaceChildren(...rows.slice(0, TABLE_ROWS).map((row) => element('tr', {},
			element('td', { class: 'number' }, percent(row.self, whole)),
			element('td', { class: 'number' }, percent(row.total, whole)),
			element('td', {}, element('button', { type: 'button', class: 'link', onclick: () => this.onPick(row.name) },
				element('bdi', {}, row.name))),
			element('td', {}, element('bdi', {}, row.mapping)))));
		[...this.head.children].forEach((th, i) =>
			th.setAttribute('aria-sort', COLUMNS[i] === this.column ? 'descending' : 'none'));
	}
}
