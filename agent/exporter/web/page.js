/* The agent's page: owners, the time chart, and the profile of what is chosen. */

const REFRESH_MS = 10000; /* windows are 10 s long while somebody watches */
const COMPARISONS = [['', 'Compare with …'], ['before', 'the time just before'], ['day', 'a day earlier'], ['pin', 'what is pinned']];
const NOTHING = { version: 1, title: '', host: '', kernel: '', program: '', time_ms: 0, duration_ms: 0, losses: [], owners: [],
	strings: ['nothing', ''], frames: { name: [0], file: [1], mapping: [1], kind: [KIND.WHOLE] },
	nodes: { parent: [0], frame: [0], count: [0], ns: [0], line_low: [0], line_high: [0] } };

class AgentPage {
	constructor() {
		this.state = freshState();
		this.live = true;
		this.running = {}; /* questions under way, by what they are for */
		this.build();
		this.takeFragment();
		window.addEventListener('hashchange', () => this.takeFragment());
		document.addEventListener('visibilitychange', () => this.tick());
		document.addEventListener('keydown', (event) => this.key(event));
	}

	/* -- the parts -- */

	build() {
		this.list = new OwnerList((id) => this.change({ owner: id, path: [] }));
		this.chart = new TimeChart({ onSelect: (selection) => this.change({ selection: selection && selection.map(Math.round) }),
			onZoom: (from, to) => this.goTo(Math.round(from), Math.round(to)), onOut: () => this.zoomOut() });
		this.host = element('span', { class: 'soft', id: 'host' });
		this.spans = SPANS.map(([title, span]) => element('button', { type: 'button', 'data-span': span,
			onclick: () => this.change({ span, selection: null }) }, title));
		this.pause = button('pause', '', 'stop or go on refreshing (p)', () => this.setLive(!this.live));
		this.range = element('span', { id: 'range' });
		this.losses = element('div', { id: 'losses', role: 'alert', hidden: '' });
		this.note = element('div', { id: 'note', role: 'status', hidden: '' });
		this.coverage = element('div', { id: 'coverage', class: 'soft' });
		this.root = element('section', { id: 'profile-view', 'aria-label': 'profile' });
		this.view = new ProfileView(this.root, new Profile(NOTHING), { tools: this.tools(), onChange: () => this.viewChanged() });
		this.busy = element('div', { id: 'busy', hidden: '', role: 'progressbar', 'aria-label': 'loading' });
		this.hint = element('div', { id: 'hint', hidden: '' });
		this.view.frame.append(this.hint);
		this.root.prepend(this.busy);
		this.help = helpBox([...VIEW_HELP, ['o', 'the owners'], ['c', 'the chart'], ['−', 'zoom the time out'], ['p', 'pause'],
			['d', 'dark or light'], ['?', 'this help']]);
		document.body.append(this.header(), element('main', {}, this.list.element, element('div', { id: 'content' },
			element('div', { class: 'chart-head' }, this.range, this.coverage, this.chartLegend()), this.chart.element, this.chart.text,
			this.losses, this.note, this.root)), this.help, this.door());
	}

	header() {
		return element('header', {}, element('h1', {}, 'fleetprof'), this.host, element('span', { class: 'stretch' }),
			element('div', { class: 'group', role: 'group', 'aria-label': 'time range' }, ...this.spans),
			button('zoom-out', '− zoom out', 'twice the time (−)', () => this.zoomOut()), this.pause,
			this.menu('link', 'Copy link', [['copy this view', () => this.copyLink(false)],
				['copy with the token: whoever has it sees everything', () => this.copyLink(true)]]),
			button('theme', '◐', 'dark or light (d)', () => this.turnTheme()),
			button('show-help', '?', 'keys (?)', () => this.showHelp()));
	}

	tools() {
		this.compare = element('select', { id: 'compare', 'aria-label': 'compare with', onchange: () => this.compared() });
		this.pin = button('pin', 'pin', 'keep this range and owner to compare others with', () => this.pinThis());
		return [this.compare, this.pin, this.menu('download', 'Download', [['pprof (.pb.gz)', () => this.save('pprof', 'pb.gz')],
			['folded stacks (.txt)', () => this.save('folded', 'txt')]])];
	}

	/* A button with a small list below; details closes by itself when the focus leaves. */
	menu(id, title, entries) {
		const menu = element('details', { id, class: 'menu' }, element('summary', { role: 'button' }, title),
			element('div', { class: 'menu-list' }, ...entries.map(([text, action]) => element('button', { type: 'button', onclick: () => {
				menu.open = false;
				action();
			} }, text))));

		menu.addEventListener('focusout', (event) => {
			if (!menu.contains(event.relatedTarget))
				menu.open = false;
		});
		menu.addEventListener('keydown', (event) => {
			if (event.key === 'Escape') {
				menu.open = false;
				menu.querySelector('summary').focus();
				event.stopPropagation();
			}
		});
		return menu;
	}

	chartLegend() {
		return element('span', { class: 'chart-legend', 'aria-hidden': 'true' }, element('span', { class: 'key sampled' }, 'sampled'),
			element('span', { class: 'key kernel' }, "kernel's own count"), element('span', { class: 'key throttled' }, 'throttled'),
			element('span', { class: 'key lost' }, 'samples lost'));
	}

	/* Asks for the token. */
	door() {
		const input = element('input', { id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false',
			'aria-label': 'token or address', placeholder: 'http://127.0.0.1:…/#token=…' });

		this.doorText = element('p', { id: 'door-text' });
		this.doorBox = element('dialog', { id: 'door', 'aria-label': 'token' }, element('form', { method: 'dialog', onsubmit: () => {
			const value = token.parse(input.value);

			input.value = '';
			if (value)
				token.keep(value);
			this.refresh();
		} }, element('h2', {}, 'This page needs its token'), this.doorText, input, element('button', { class: 'primary' }, 'Open')));
		return this.doorBox;
	}

	/* -- state -- */

	takeFragment() {
		const given = token.parse(location.hash);

		if (given)
			token.keep(given);
		this.state = readState(location.hash);
		this.wanted = this.state.path;
		this.restoring = true; /* what the view tells meanwhile is not the person's doing */
		this.view.searchBox.value = this.state.search;
		this.view.choose(this.state.tab);
		if (this.view.graph.flames !== this.state.flames)
			this.view.turn();
		this.restoring = false;
		this.keepFragment();
		this.refresh();
	}

	keepFragment() {
		history.replaceState(null, '', '#' + writeState(this.state));
	}

	change(what) {
		Object.assign(this.state, what);
		this.wanted = this.state.path;
		this.keepFragment();
		this.refresh();
	}

	/* What the profile's view holds goes into the address; no question follows from it. */
	viewChanged() {
		if (this.restoring)
			return;
		this.state.tab = this.view.tab;
		this.state.search = this.view.searchBox.value;
		this.state.flames = this.view.graph.flames;
		this.state.path = this.view.graph.profile.path(this.view.graph.focus);
		this.wanted = this.state.path;
		this.keepFragment();
	}

	goTo(from, to) {
		const least = 10e3, middle = (from + to) / 2;

		if (to - from < least)
			[from, to] = [Math.round(middle - least / 2), Math.round(middle + least / 2)];
		this.change({ span: 0, from, to, selection: null });
	}

	zoomOut() {
		const [from, to] = this.times(), width = Math.min((to - from) * 2, 31e9), now = Date.now();
		const end = Math.min(Math.round((from + to) / 2 + width / 2), now);

		if (this.state.span)
			this.change({ span: width, selection: null });
		else
			this.goTo(Math.round(end - width), end);
	}

	/* The chart's range in ms, and what the profile is of. */
	times() {
		if (!this.state.span)
			return [this.state.from, this.state.to];
		const now = Math.ceil(Date.now() / 1000) * 1000;
		return [now - this.state.span, now];
	}

	chosen() {
		return this.state.selection || this.times();
	}

	base() {
		const [from, to] = this.chosen(), { compare, pin, owner } = this.state;

		if (compare === 'before')
			return { base_from: from - (to - from), base_to: from, base_owner: owner };
		if (compare === 'day')
			return { base_from: from - 86400e3, base_to: to - 86400e3, base_owner: owner };
		if (compare === 'pin' && pin)
			return { base_from: pin.from, base_to: pin.to, base_owner: pin.owner };
		if (compare.startsWith('owner-'))
			return { base_from: from, base_to: to, base_owner: Number(compare.slice(6)) };
		return {};
	}

	compared() {
		this.change({ compare: this.compare.value });
	}

	pinThis() {
		const [from, to] = this.chosen();

		this.change({ pin: { from, to, owner: this.state.owner } });
		this.say(`Pinned: ${this.ownerName(this.state.owner)}, ${rangeText(from, to)}. Choose another range or owner, and compare with it.`);
	}

	ownerName(id) {
		const owner = this.list.find(id);

		return id === 0 ? 'all owners' : owner ? owner.label : `owner ${id}`;
	}

	setLive(live) {
		this.live = live;
		this.tick();
		this.label();
	}

	/* -- asking -- */

	tick() {
		clearTimeout(this.timer);
		if (this.live && this.state.span && !document.hidden && !this.doorBox.open)
			this.timer = setTimeout(() => this.refresh(true), REFRESH_MS);
	}

	/* One question of a kind at a time: a newer one ends an older one. */
	async question(kind, work) {
		if (this.running[kind])
			this.running[kind].abort();
		const control = this.running[kind] = new AbortController();

		try {
			await work(control.signal);
		} catch (error) {
			if (error.name !== 'AbortError')
				this.failed(kind, error);
		} finally {
			if (this.running[kind] === control)
				delete this.running[kind];
			this.busy.hidden = !this.running.flame;
		}
	}

	/* quiet: by the clock, so a profile that takes its time is not asked for again and again. */
	refresh(quiet) {
		const [from, to] = this.times(), [start, end] = this.chosen(), { owner } = this.state;

		this.label();
		this.tick();
		this.question('series', async (signal) => {
			const series = await askJson('series', { from, to, owner, points: 300 }, signal);

			this.chart.show(series, from, to, this.state.selection);
			this.reached(series, from);
		});
		this.question('owners', async (signal) => {
			const answer = await askJson('owners', { from: start, to: end, points: 36 }, signal);

			this.list.show(answer, this.state.owner);
			this.host.textContent = shown(answer.host);
			this.tellCoverage(answer);
			this.fillCompare();
		});
		this.question('status', async (signal) => this.tellStorage(await askJson('status', {}, signal)));
		if (!quiet || (!this.state.selection && (this.flameTook || 0) < 3000))
			this.askFlame(start, end, quiet);
	}

	askFlame(from, to, quiet) {
		const begin = performance.now(), base = this.base();

		if (!quiet)
			this.busy.hidden = false;
		this.question('flame', async (signal) => {
			const answer = await askJson('flame', { from, to, owner: this.state.owner, ...base }, signal);
			const profile = new Profile(answer.flame), empty = !profile.totalNs[WHOLE] && !(profile.totalBase && profile.totalBase[WHOLE]);

			this.flameTook = performance.now() - begin;
			this.restoring = true;
			this.view.setProfile(profile, this.wanted);
			this.restoring = false;
			this.hint.hidden = !empty;
			this.hint.textContent = answer.windows ? 'No samples of this owner in this range.' :
				'No window is stored in this range yet: the first comes within a minute of the agent’s start.';
			this.folded = answer.flame.folded ? `${answer.flame.folded.toLocaleString('en')} small frames are in [other]` : '';
			this.label();
		});
	}

	failed(kind, error) {
		if (error.status === 401) {
			this.doorText.textContent = (token.value ? 'The token that this browser knows is another agent’s, or an earlier start’s. ' : '') +
				'Paste the address that “fleetprof agent” printed:';
			if (!this.doorBox.open)
				this.doorBox.showModal();
			return;
		}
		this.say(error.message, true);
	}

	say(text, bad) {
		this.note.textContent = text;
		this.note.hidden = !text;
		this.note.classList.toggle('bad', Boolean(bad));
		clearTimeout(this.noteTimer);
		this.noteTimer = setTimeout(() => { this.note.hidden = true; }, 12000);
	}

	reached(answer, from) {
		if (answer.oldest_ms && answer.oldest_ms > from + 90e3)
			this.back = `The store reaches back only to ${clockText(answer.oldest_ms, true)}.`;
		else if (!answer.oldest_ms)
			this.back = 'Nothing is stored yet.';
		else
			this.back = '';
		this.label();
	}

	tellCoverage(answer) {
		const text = lossText(answer.losses), lost = answer.lost * answer.period_ns;
		const cpu = answer.owners.reduce((sum, owner) => sum + owner.cpu_ns, 0);

		this.losses.textContent = text && `${text}: ${percent(lost, lost + cpu)} of all.` +
			(answer.clock_jump ? ' The clock jumped.' : '') + (answer.clock_doubtful ? ' The clock was wrong at start.' : '');
		this.losses.hidden = !text;
		this.windows = answer.windows ? `${answer.windows} windows, ${rangeText(answer.start_ms, answer.end_ms)}, ` +
			`${answer.rate_hz} Hz on ${answer.cpus} CPUs` : 'no windows';
		this.label();
	}

	tellStorage({ store, upload }) {
		const size = (bytes) => bytes < 1048576 ? `${Math.ceil(bytes / 1024)} KiB` : bytes < 1073741824 ? `${Math.round(bytes / 1048576)} MiB` :
			`${(bytes / 1073741824).toFixed(1)} GiB`;
		const lines = [`${size(store.bytes)} of ${size(store.limit)} stored` +
			(store.oldest_ms ? `, back to ${clockText(store.oldest_ms, true)}` : '')];

		for (const backend of upload)
			lines.push(`${shown(backend.name)}: ${backend.failing ? 'failing, ' : ''}${backend.waiting.toLocaleString('en')} profiles wait`);
		this.list.foot.replaceChildren(...lines.map((line) => element('div', {}, line)));
		this.list.foot.classList.toggle('warn', upload.some((backend) => backend.failing));
	}

	/* -- words -- */

	label() {
		const [from, to] = this.chosen();

		this.range.textContent = `${this.ownerName(this.state.owner)}  ·  ${rangeText(from, to)}` +
			(this.state.selection ? '  (selected)' : '');
		this.coverage.textContent = [this.windows, this.folded, this.back].filter(Boolean).join('  ·  ');
		this.coverage.classList.toggle('warn', Boolean(this.back));
		for (const b of this.spans)
			b.setAttribute('aria-pressed', String(Number(b.dataset.span) === this.state.span));
		const going = this.live && this.state.span;
		this.pause.textContent = going ? '❚❚ live' : '▶ paused';
		this.pause.setAttribute('aria-pressed', String(Boolean(going)));
		this.pause.disabled = !this.state.span;
		this.list.choose(this.state.owner);
		this.chart.select(this.state.selection);
	}

	fillCompare() {
		const options = COMPARISONS.filter(([id]) => id !== 'pin' || this.state.pin).map(([value, text]) =>
			element('option', { value }, value === 'pin' ?
				`pinned: ${this.ownerName(this.state.pin.owner)}, ${rangeText(this.state.pin.from, this.state.pin.to)}` : text));
		const others = element('optgroup', { label: 'another owner' }, ...this.list.owners.filter((o) => o.id !== this.state.owner)
			.map((o) => element('option', { value: 'owner-' + o.id }, o.label)));

		if (document.activeElement === this.compare)
			return;
		this.compare.replaceChildren(...options, others);
		this.compare.value = this.state.compare;
	}

	address(withToken) {
		const [from, to] = this.times();
		/* a link is to this time, not to whatever is now when it is opened */
		const state = { ...this.state, span: 0, from, to };

		return `${location.origin}/#${withToken ? `token=${token.value}&` : ''}${writeState(state)}`;
	}

	async copyLink(withToken) {
		const text = this.address(withToken);

		try {
			await navigator.clipboard.writeText(text);
			this.say(withToken ? 'Copied, with the token: whoever has it sees every profile.' : 'Copied, without the token.');
		} catch (error) {
			this.say(text);
		}
	}

	async save(format, ending) {
		const [from, to] = this.chosen();
		const owner = this.ownerName(this.state.owner).replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60);

		this.say('Preparing the file …');
		try {
			await download('profile', { from, to, owner: this.state.owner, format },
				`fleetprof-${owner}-${new Date(from).toISOString().slice(0, 16).replace(':', '')}.${ending}`);
			this.say('Saved.');
		} catch (error) {
			this.failed('profile', error);
		}
	}

	turnTheme() {
		theme.choose(!theme.dark);
		localStorage.setItem('fleetprof.theme', theme.dark ? 'dark' : 'light');
	}

	showHelp() {
		this.help.hidden = !this.help.hidden;
	}

	key(event) {
		const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);

		if (event.ctrlKey || event.metaKey || event.altKey || this.doorBox.open)
			return;
		if (typing) {
			if (event.key === 'Escape' || (event.key === 'Enter' && event.target === this.view.searchBox))
				this.view.frame.focus();
			return;
		}
		switch (event.key) {
		case 'o': this.list.searchBox.focus(); break;
		case 'c': this.chart.element.focus(); break;
		case 'p': this.setLive(!this.live); break;
		case 'd': this.turnTheme(); break;
		case '-': this.zoomOut(); break;
		case '?': this.showHelp(); break;
		default:
			if (!this.view.key(event))
				return;
		}
		event.preventDefault();
	}
}

if (localStorage.getItem('fleetprof.theme'))
	document.documentElement.dataset.theme = localStorage.getItem('fleetprof.theme');
window.page = new AgentPage();
