/* The sandwich: who calls a function, above, and what it calls, below. */

class Sandwich {
	constructor(view, onSelect) {
		this.view = view; /* the flame graph that it looks into */
		this.onSelect = onSelect;
		this.name = '';
		this.callersFrame = element('div', { class: 'graph', id: 'callers', tabindex: '0', role: 'application',
			'aria-label': 'callers; arrow keys move' });
		this.calleesFrame = element('div', { class: 'graph', id: 'callees', tabindex: '0', role: 'application',
			'aria-label': 'callees; arrow keys move' });
		this.title = element('bdi', { class: 'function' });
		this.share = element('span', { class: 'soft' });
		this.empty = element('p', { class: 'hint' },
			'Choose a function: double-click a box, press s on a selected one, or ⇅ in the table.');
		this.parts = element('div', { class: 'sandwich-parts', hidden: '' },
			element('div', { class: 'label' }, 'callers'), this.callersFrame,
			element('div', { class: 'sandwich-title' }, this.title, ' ', this.share),
			element('div', { class: 'label' }, 'callees'), this.calleesFrame);
		this.element = element('div', { id: 'sandwich', hidden: '' }, this.empty, this.parts);
	}

	choose(name) {
		this.name = name;
		this.fill();
	}

	fill() {
		const { profile, top } = this.view; /* the whole of it, not what is zoomed into: callers stand above */
		const { callers, callees } = this.name ? profile.sandwich(this.name, top) : {};

		this.parts.hidden = !callers;
		this.empty.hidden = Boolean(callers);
		if (this.name && !callers)
			this.empty.textContent = 'This function is not in what is shown.';
		if (!callers)
			return;
		this.title.textContent = this.name;
		this.share.textContent = `total ${duration(callees.totalNs[WHOLE])}, ${percent(callees.totalNs[WHOLE], profile.totalNs[top])}` +
			`  ·  self ${duration(callees.selfNs[WHOLE])}, ${percent(callees.selfNs[WHOLE], profile.totalNs[top])}`;
		this.show('callers', this.callersFrame, callers);
		this.show('callees', this.calleesFrame, callees);
		this.callers.setFlames(true);
	}

	show(key, frame, profile) {
		if (this[key])
			this[key].setProfile(profile);
		else
			this[key] = new FlameGraph(frame, profile, { onSelect: (node) => this.onSelect(this[key], node),
				onPick: (node) => this.choose(this[key].profile.name(node)) });
	}
}
