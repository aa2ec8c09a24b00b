/* The page of `fleetprof record`: one profile, with its owners. */

function ownerLabel(owner, profile) {
	const name = shown(owner.name) || '[no name]';
	const kind = owner.runtime && owner.runtime !== 'cgroup' ? ` (${shown(owner.runtime)})` : '';

	return `${percent(profile.totalNs[owner.node], profile.totalNs[WHOLE])}  ${name}${kind}`;
}

function headline(meta) {
	const when = new Date(meta.time_ms).toISOString().replace('T', ' ').slice(0, 19) + ' UTC';

	return [shown(meta.host), when, `${(meta.duration_ms / 1000).toFixed(1)} s at ${meta.rate_hz} Hz`,
		`${meta.cpus} CPUs`, shown(meta.kernel), shown(meta.program)].filter(Boolean).join('  ·  ');
}

class FilePage {
	constructor(profile) {
		const { meta } = profile;
		const losses = lossText(meta.losses);

		document.body.append(element('header', {}, element('h1', {}, shown(meta.title)),
			element('span', { id: 'headline' }, headline(meta)), element('span', { class: 'stretch' }),
			button('theme', '◐', 'dark or light', () => theme.choose(!theme.dark)),
			button('show-help', '?', 'keys (?)', () => this.showHelp())));
		if (losses)
			document.body.append(element('div', { id: 'losses', role: 'alert' }, losses));
		this.owner = this.ownerSelect(profile);
		this.all = new ProfileView(document.body, profile, { tools: [this.owner] });
		this.view = this.all.graph;
		this.help = helpBox([...VIEW_HELP, ['o', 'choose the owner'], ['?', 'this help']]);
		document.body.append(this.help);
		document.addEventListener('keydown', (event) => this.key(event));
		this.all.frame.focus();
	}

	ownerSelect(profile) {
		const owners = [...profile.meta.owners].sort((a, b) => profile.totalNs[b.node] - profile.totalNs[a.node]);
		const select = element('select', { id: 'owner', 'aria-label': 'owner',
			onchange: () => this.view.restrict(Number(select.value)) });

		select.append(element('option', { value: WHOLE }, `all ${owners.length} owners`));
		for (const owner of owners)
			select.append(element('option', { value: owner.node }, ownerLabel(owner, profile)));
		return select;
	}

	showHelp() {
		this.help.hidden = !this.help.hidden;
	}

	key(event) {
		const typing = event.target === this.all.searchBox || event.target === this.owner;

		if (event.ctrlKey || event.metaKey || event.altKey)
			return;
		if (typing) {
			if (event.key === 'Escape' || event.key === 'Enter')
				this.all.frame.focus();
			return;
		}
		if (event.key === 'o')
			this.owner.focus();
		else if (event.key === '?')
			this.showHelp();
		else if (!this.all.key(event))
			return;
		event.preventDefault();
	}
}

if (document.getElementById('profile'))
	window.page = new FilePage(new Profile(JSON.parse(document.getElementById('profile').textContent)));
