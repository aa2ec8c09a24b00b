/* The page of `fleetprof record`: owners, search, table and flame graph around one profile. */

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

function ownerLabel(owner, profile) {
	const name = shown(owner.name) || '[no name]';
	const kind = owner.runtime && owner.runtime !== 'cgroup' ? ` (${shown(owner.runtime)})` : '';

	return `${percent(profile.totalNs[owner.node], profile.totalNs[WHOLE])}  ${name}${kind}`;
}

const LOSSES = /^(missed|lost|no room)/;

/* What the reader must know before believing the picture: samples that are not in it. */
function lossText(meta) {
	const lost = meta.losses.filter(([name, count]) => LOSSES.test(name) && count);

	return lost.length ? 'Not in this profile: ' +
		lost.map(([name, count]) => `${count.toLocaleString('en')} ${name}`).join(', ') + ' (samples)' : '';
}

function ownerSelect(profile, view) {
	const owners = [...profile.meta.owners].sort((a, b) => profile.totalNs[b.node] - profile.totalNs[a.node]);
	const select = element('select', { id: 'owner', 'aria-label': 'owner',
		onchange: () => view.restrict(Number(select.value)) });

	select.append(element('option', { value: WHOLE }, `all ${owners.length} owners`));
	for (const owner of owners)
		select.append(element('option', { value: owner.node }, ownerLabel(owner, profile)));
	return select;
}

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

const HELP = [
	['click, Enter', 'zoom into a box'], ['Escape, 0', 'back to everything'], ['Backspace', 'one level out'],
	['arrows', 'move from box to box'], ['/', 'search (regular expression; capitals make it exact)'],
	['n, N', 'next and previous match'], ['i', 'root above or below'], ['t', 'table of functions'], ['o', 'choose the owner'],
	['?', 'this help'],
];

function headline(meta) {
	const when = new Date(meta.time_ms).toISOString().replace('T', ' ').slice(0, 19) + ' UTC';

	return [shown(meta.host), when, `${(meta.duration_ms / 1000).toFixed(1)} s at ${meta.rate_hz} Hz`,
		`${meta.cpus} CPUs`, shown(meta.kernel), shown(meta.program)].filter(Boolean).join('  ·  ');
}

function legend() {
	const entries = [['user', KIND.USER], ['inlined', KIND.INLINED], ['kernel', KIND.KERNEL], ['anonymous memory', KIND.JIT],
		['mark', KIND.MARK]];

	return element('span', { id: 'legend' }, ...entries.map(([name, kind]) => element('span', { class: `key kind${kind}` }, name)));
}

class Page {
	constructor(profile) {
		const frame = element('div', { id: 'graph', tabindex: '0', role: 'application',
			'aria-label': 'flame graph; arrow keys move, Enter zooms, the line below tells what is selected' });

		this.profile = profile;
		this.status = element('div', { id: 'status', role: 'status' });
		this.help = element('div', { id: 'help', hidden: '' }, ...HELP.map(([keys, what]) =>
			element('div', {}, element('kbd', {}, keys), ' ', what)));
		this.searchBox = element('input', { id: 'search', type: 'search', placeholder: 'search  ( / )', spellcheck: 'false',
			'aria-label': 'search', oninput: () => this.search() });
		this.found = element('output', { id: 'found', for: 'search' });
		document.body.append(element('header', {}, element('h1', {}, shown(profile.meta.title)),
			element('span', { id: 'headline' }, headline(profile.meta))));
		this.view = new FlameGraph(frame, profile, {
			onZoom: () => this.zoomed(), onSelect: (node) => this.selected(node) });
		this.table = new Table(profile, this.view, (name) => this.pick(name));
		this.owner = ownerSelect(profile, this.view);
		this.tools();
		this.banner();
		document.body.append(frame, this.table.element, this.status, this.help);
		document.addEventListener('keydown', (event) => this.key(event));
		this.view.layout();
		this.selected(WHOLE);
		frame.focus();
	}

	tools() {
		this.flip = element('button', { id: 'flip', type: 'button', onclick: () => this.turn() }, 'root below');
		this.toggle = element('button', { id: 'toggle', type: 'button', 'aria-pressed': 'false',
			onclick: () => this.showTable() }, 'table');
		document.body.append(element('nav', {}, this.owner, this.searchBox, this.found,
			element('button', { id: 'reset', type: 'button', onclick: () => this.view.zoom(this.view.top) }, 'reset'),
			this.flip, this.toggle, element('button', { type: 'button', onclick: () => this.showHelp() }, '?'), legend()));
	}

	banner() {
		const text = lossText(this.profile.meta);

		if (text)
			document.body.append(element('div', { id: 'losses' }, text));
	}

	search() {
		const p = this.profile, text = this.searchBox.value, ns = this.view.search(text);

		this.searchBox.classList.toggle('bad', ns < 0);
		this.found.textContent = !text ? '' : ns < 0 ? 'no valid expression' :
			`${percent(ns, p.totalNs[this.view.focus])} of what is shown`;
		this.refresh();
	}

	pick(name) {
		this.searchBox.value = '^' + name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&') + '$';
		this.search();
	}

	zoomed() {
		if (this.searchBox.value)
			this.search();
		else
			this.refresh();
	}

	refresh() {
		if (this.table && !this.table.element.hidden)
			this.table.fill();
	}

	selected(node) {
		this.status.textContent = this.view ? this.view.lines(node).join('  ·  ') : '';
	}

	turn() {
		this.view.setFlames(!this.view.flames);
		this.flip.textContent = this.view.flames ? 'root above' : 'root below';
	}

	showTable() {
		this.table.element.hidden = !this.table.element.hidden;
		this.toggle.setAttribute('aria-pressed', String(!this.table.element.hidden));
		this.refresh();
		this.view.layout();
	}

	showHelp() {
		this.help.hidden = !this.help.hidden;
	}

	key(event) {
		const typing = event.target === this.searchBox || event.target === this.owner;

		if (event.ctrlKey || event.metaKey || event.altKey)
			return;
		if (typing) {
			if (event.key === 'Escape' || event.key === 'Enter')
				this.view.element.focus();
			return;
		}
		switch (event.key) {
		case '/': this.searchBox.focus(); this.searchBox.select(); break;
		case 'n': this.view.nextMatch(1); break;
		case 'N': this.view.nextMatch(-1); break;
		case 'i': this.turn(); break;
		case 't': this.showTable(); break;
		case 'o': this.owner.focus(); break;
		case '?': this.showHelp(); break;
		default: return;
		}
		event.preventDefault();
	}
}

if (document.getElementById('profile'))
	window.page = new Page(new Profile(JSON.parse(document.getElementById('profile').textContent)));
