/* One profile with everything around it: tabs, search, flame graph, table, sandwich, and the line that tells what is selected. */

const TABS = [
	{ id: 'graph', title: 'Flame graph' },
	{ id: 'table', title: 'Table' },
	{ id: 'sandwich', title: 'Sandwich' },
];

/* hooks: onChange(): tab, search or zoom changed; tools: elements to stand in the tool bar. */
class ProfileView {
	constructor(root, profile, hooks) {
		this.hooks = hooks || {};
		this.tab = 'graph';
		this.frame = element('div', { id: 'graph', class: 'graph', tabindex: '0', role: 'application',
			'aria-label': 'flame graph; arrow keys move, Enter zooms, s shows callers; the line below tells what is selected' });
		this.status = element('div', { id: 'status', role: 'status' });
		this.searchBox = element('input', { id: 'search', type: 'search', placeholder: 'Search  /', spellcheck: 'false',
			autocomplete: 'off', 'aria-label': 'search functions and files', oninput: () => this.search() });
		this.found = element('output', { id: 'found', for: 'search' });
		this.legend = element('div');
		this.flip = button('flip', 'root below', 'turn the graph over (i)', () => this.turn());
		this.tabs = TABS.map((tab) => element('button', { type: 'button', role: 'tab', id: 'tab-' + tab.id,
			'aria-controls': tab.id, 'aria-selected': String(tab.id === this.tab), onclick: () => this.choose(tab.id) }, tab.title));
		root.append(element('div', { class: 'tools' }, element('div', { class: 'tabs', role: 'tablist' }, ...this.tabs),
			element('span', { class: 'find' }, this.searchBox, this.found), ...(this.hooks.tools || []),
			button('reset', 'reset', 'back to everything (0)', () => this.graph.zoom(this.graph.top)), this.flip),
		this.frame);
		this.graph = new FlameGraph(this.frame, profile, { onZoom: () => this.zoomed(),
			onSelect: (node) => this.selected(this.graph, node), onPick: (node) => this.sandwichOf(this.graph.profile.name(node)) });
		this.table = new FunctionTable(this.graph, (name) => this.pick(name), (name) => this.sandwichOf(name));
		this.sandwich = new Sandwich(this.graph, (graph, node) => this.selected(graph, node));
		root.append(this.table.element, this.sandwich.element, element('div', { class: 'foot' }, this.status, this.legend));
		this.setLegend();
		this.selected(this.graph, this.graph.focus);
	}

	setLegend() {
		this.legend.replaceChildren(legend(Boolean(this.graph.profile.totalBase)));
	}

	setProfile(profile, path) {
		this.graph.setProfile(profile, path);
		this.setLegend();
		if (this.searchBox.value)
			this.search();
		else
			this.refresh();
		this.selected(this.graph, this.graph.focus);
	}

	changed() {
		if (this.hooks.onChange)
			this.hooks.onChange();
	}

	choose(tab) {
		this.tab = tab;
		TABS.forEach((t, i) => this.tabs[i].setAttribute('aria-selected', String(t.id === tab)));
		this.frame.hidden = tab !== 'graph';
		this.table.element.hidden = tab !== 'table';
		this.sandwich.element.hidden = tab !== 'sandwich';
		this.flip.hidden = tab !== 'graph';
		this.refresh();
		this.changed();
	}

	search() {
		const p = this.graph.profile, text = this.searchBox.value, ns = this.graph.search(text);

		this.searchBox.classList.toggle('bad', ns < 0);
		this.found.textContent = !text ? '' : ns < 0 ? 'no valid expression' :
			`${percent(ns, p.totalNs[this.graph.focus])} of what is shown`;
		this.refresh();
		this.changed();
	}

	setSearch(text) {
		this.searchBox.value = text;
		this.search();
	}

	pick(name) {
		this.setSearch('^' + name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&') + '$');
		this.choose('graph');
	}

	sandwichOf(name) {
		this.sandwich.name = name;
		this.choose('sandwich');
	}

	zoomed() {
		if (this.searchBox.value)
			this.search();
		else
			this.refresh();
		this.changed();
	}

	refresh() {
		if (!this.table) /* not made yet */
			return;
		if (this.tab === 'table')
			this.table.fill();
		else if (this.tab === 'sandwich')
			this.sandwich.fill();
	}

	selected(graph, node) {
		this.status.textContent = graph ? graph.lines(node).join('  ·  ') : '';
	}

	turn() {
		this.graph.setFlames(!this.graph.flames);
		this.flip.textContent = this.graph.flames ? 'root above' : 'root below';
		this.changed();
	}

	/* True if the key was for us. */
	key(event) {
		switch (event.key) {
		case '/': this.searchBox.focus(); this.searchBox.select(); break;
		case 'n': this.graph.nextMatch(1); break;
		case 'N': this.graph.nextMatch(-1); break;
		case 'i': this.turn(); break;
		case 'g': this.choose('graph'); this.frame.focus(); break;
		case 't': this.choose('table'); this.table.element.focus(); break;
		case 'w': this.choose('sandwich'); break;
		default: return false;
		}
		return true;
	}
}

const VIEW_HELP = [
	['click, Enter', 'zoom into a box'], ['double click, s', 'its callers and callees'], ['Escape, 0', 'back to everything'],
	['Backspace', 'one level out'], ['arrows', 'move from box to box'],
	['/', 'search (regular expression; capitals make it exact)'], ['n, N', 'next and previous match'],
	['i', 'root above or below'], ['g, t, w', 'flame graph, table, sandwich'],
];

function helpBox(rows) {
	return element('div', { id: 'help', hidden: '', role: 'dialog', 'aria-label': 'keys' },
		...rows.map(([keys, what]) => element('div', {}, element('kbd', {}, keys), ' ', what)));
}
