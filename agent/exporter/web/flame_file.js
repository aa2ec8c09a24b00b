/* The page of `fleetprof record`: owners, search, table and flame graph around one profile. */

function ownerLabel(owner, profile) {
	const name = shown(owner.name) || '[no name]';
	const kind = owner.runtime && owner.runtime !== 'cgroup' ? ` (${shown(owner.runtime)})` : '';

	return `${percent(profile.totalNs[owner.node], profile.totalNs[WHOLE])}  ${name}${kind}`;
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
