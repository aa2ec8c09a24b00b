/* The table of functions: self and total, and beside a base how much more or less. */

const TABLE_ROWS = 500; /* heavier ones first; nobody reads further, and the search narrows */
const COLUMNS = [
	{ id: 'self', title: 'Self', value: (row) => row.self },
	{ id: 'total', title: 'Total', value: (row) => row.total },
	{ id: 'delta', title: 'Self, compared', value: (row) => row.selfPoints, diff: true },
	{ id: 'delta-total', title: 'Total, compared', value: (row) => row.totalPoints, diff: true },
	{ id: 'name', title: 'Function', value: (row) => row.name },
	{ id: 'mapping', title: 'File', value: (row) => row.mapping },
];

/* onPick(name): a function was chosen. */
class FunctionTable {
	constructor(view, onPick, onSandwich) {
		this.view = view;
		this.onPick = onPick;
		this.onSandwich = onSandwich;
		this.column = COLUMNS[0];
		this.down = true;
		this.body = element('tbody');
		this.head = element('tr');
		this.element = element('div', { id: 'table', tabindex: '0', hidden: '', role: 'region', 'aria-label': 'functions' },
			element('table', {}, element('thead', {}, this.head), this.body));
	}

	sortBy(column) {
		this.down = this.column === column ? !this.down : true;
		this.column = column;
		this.fill();
	}

	rows() {
		const p = this.view.profile, { value } = this.column, sign = this.down ? 1 : -1;
		const rows = p.functions(this.view.focus).filter((row) => !this.view.matches || this.view.matches[row.frame]);

		for (const row of rows) {
			row.mapping = p.mapping(row.node);
			row.selfPoints = p.totalBase ? p.points(row.self, row.selfBase) : 0;
			row.totalPoints = p.totalBase ? p.points(row.total, row.totalBase) : 0;
		}
		return rows.sort((a, b) => {
			const x = value(a), y = value(b);

			return sign * (typeof x === 'number' ? y - x : x < y ? -1 : x > y ? 1 : 0) || b.total - a.total;
		});
	}

	fill() {
		const p = this.view.profile, whole = p.totalNs[this.view.top];
		const columns = COLUMNS.filter((c) => !c.diff || p.totalBase);

		this.head.replaceChildren(...columns.map((c) => element('th', { scope: 'col',
			'aria-sort': c === this.column ? (this.down ? 'descending' : 'ascending') : 'none' },
			element('button', { type: 'button', onclick: () => this.sortBy(c) }, c.title))));
		this.body.replaceChildren(...this.rows().slice(0, TABLE_ROWS).map((row) => this.row(row, p, whole)));
	}

	bar(value, whole) {
		const cell = element('td', { class: 'number' }, element('span', {}, percent(value, whole)));

		cell.style.setProperty('--share', whole ? Math.min(value / whole, 1) : 0);
		return cell;
	}

	row(row, p, whole) {
		const delta = (points) => element('td', { class: 'number ' + (points > 0.005 ? 'more' : points < -0.005 ? 'less' : '') },
			pointsText(points));

		return element('tr', {}, this.bar(row.self, whole), this.bar(row.total, whole),
			...(p.totalBase ? [delta(row.selfPoints), delta(row.totalPoints)] : []),
			element('td', {}, element('button', { type: 'button', class: 'link', title: 'show where it is',
				onclick: () => this.onPick(row.name) }, element('bdi', {}, row.name)),
			element('button', { type: 'button', class: 'small', title: 'its callers and callees', 'aria-label': 'callers and callees',
				onclick: () => this.onSandwich(row.name) }, '⇅')),
			element('td', { class: 'soft' }, element('bdi', {}, row.mapping)));
	}
}
