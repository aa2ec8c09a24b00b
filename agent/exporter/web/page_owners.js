/* The list of owners: name, a small line over time, CPU and share; sortable, searchable. */

const OWNER_ROWS = 400; /* drawn at once; the search narrows */
const OWNER_ORDERS = {
	cpu: { title: 'CPU', compare: (a, b) => b.cpu_ns - a.cpu_ns },
	name: { title: 'Owner', compare: (a, b) => a.label < b.label ? -1 : a.label > b.label ? 1 : 0 },
	throttled: { title: 'Throttled', compare: (a, b) => b.throttled_ns - a.throttled_ns || b.cpu_ns - a.cpu_ns },
};
const SPARK_WIDTH = 72, SPARK_HEIGHT = 20;

function labelOf(owner) {
	return shown(owner.name) || '[no name]';
}

/* What tells owners of one name apart: namespace or runtime. */
function detailOf(owner) {
	const labels = new Map(owner.labels);
	const space = labels.get('k8s.namespace.name') || labels.get('namespace');

	return shown([space, owner.runtime].filter(Boolean).join(' · '));
}

function svg(tag, attributes, ...children) {
	const e = document.createElementNS('http://www.w3.org/2000/svg', tag);

	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	e.append(...children);
	return e;
}

function sparkline(values) {
	if (!values.length)
		return '';
	const top = Math.max(...values, 1), step = SPARK_WIDTH / Math.max(values.length, 1);
	const path = values.map((v, i) => {
		const y = (SPARK_HEIGHT - 1 - v / top * (SPARK_HEIGHT - 3)).toFixed(1);

		return `${(i * step).toFixed(1)} ${y}L${((i + 1) * step).toFixed(1)} ${y}`;
	}).join('L');

	return svg('svg', { class: 'spark', width: SPARK_WIDTH, height: SPARK_HEIGHT, 'aria-hidden': 'true' },
		svg('path', { class: 'spark-area', d: `M0 ${SPARK_HEIGHT}L${path}L${SPARK_WIDTH} ${SPARK_HEIGHT}Z` }),
		svg('path', { class: 'spark-line', d: `M${path}` }));
}

/* onChoose(id): 0 for all. */
class OwnerList {
	constructor(onChoose) {
		this.onChoose = onChoose;
		this.order = 'cpu';
		this.down = true;
		this.owners = [];
		this.chosen = 0;
		this.searchBox = element('input', { id: 'owner-search', type: 'search', placeholder: 'Filter owners', spellcheck: 'false',
			autocomplete: 'off', 'aria-label': 'filter owners by name, image, cgroup or label', oninput: () => this.fill() });
		this.body = element('tbody');
		this.heads = Object.entries(OWNER_ORDERS).map(([id, order]) => element('button', { type: 'button', 'data-order': id,
			onclick: () => this.sortBy(id) }, order.title));
		this.foot = element('div', { id: 'storage', class: 'soft' });
		this.count = element('span', { class: 'soft', id: 'owner-count', 'aria-live': 'polite' });
		this.element = element('aside', { id: 'owners', 'aria-label': 'owners' },
			element('div', { class: 'owner-tools' }, this.searchBox,
				element('div', { class: 'orders', role: 'group', 'aria-label': 'sort by' }, ...this.heads, this.count)),
			element('div', { class: 'owner-rows', onkeydown: (event) => this.key(event) },
				element('table', { 'aria-label': 'owners by CPU' }, this.body)), this.foot);
	}

	sortBy(order) {
		this.down = this.order === order ? !this.down : true;
		this.order = order;
		this.fill();
	}

	/*
	 * answer: the API's. A bucket of the small line that windows cover in part only is shown as if they did wholly, or not
	 * at all if it is a small part.
	 */
	show(answer, chosen) {
		const { owners, bucket_ms: step, buckets_from_ms: begin } = answer;
		const covered = (i) => (Math.min(begin + (i + 1) * step, answer.end_ms) - Math.max(begin + i * step, answer.start_ms)) / step;
		const line = (values) => values.map((v, i) => v / covered(i)).filter((v, i) => covered(i) > 0.3);

		this.owners = owners.map((owner) => ({ ...owner, label: labelOf(owner), detail: detailOf(owner), spark: line(owner.spark),
			text: [owner.name, owner.image, owner.cgroup, owner.runtime, ...owner.labels.flat()].join('\n').toLowerCase() }));
		this.covered = answer.covered_ms * 1e6;
		this.whole = owners.reduce((sum, owner) => sum + owner.cpu_ns, 0);
		this.chosen = chosen;
		this.fill();
	}

	choose(id) {
		this.chosen = id;
		for (const row of this.body.rows)
			this.mark(row, Number(row.dataset.owner));
	}

	/* One row of all is reached by Tab: the chosen one; the arrows go on from there. */
	mark(row, id) {
		if (id === this.chosen)
			row.setAttribute('aria-current', 'true');
		else
			row.removeAttribute('aria-current');
		row.querySelector('.pick').tabIndex = id === this.chosen || id === 0 ? 0 : -1;
	}

	find(id) {
		return this.owners.find((owner) => owner.id === id);
	}

	visible() {
		const words = this.searchBox.value.toLowerCase().split(/\s+/).filter(Boolean);
		const sign = this.down ? 1 : -1, { compare } = OWNER_ORDERS[this.order];

		return this.owners.filter((owner) => words.every((word) => owner.text.includes(word)))
			.sort((a, b) => sign * compare(a, b));
	}

	fill() {
		const rows = this.visible(), focused = document.activeElement && document.activeElement.dataset.pick;
		const all = { id: 0, label: 'All owners', detail: `${this.owners.length} of them`, cpu_ns: this.whole, spark: this.sum(),
			throttled_ns: 0, nr_throttled: 0 };

		this.heads.forEach((head) => {
			const mine = head.dataset.order === this.order;

			head.setAttribute('aria-pressed', String(mine));
			head.textContent = OWNER_ORDERS[head.dataset.order].title + (mine ? (this.down ? ' ↓' : ' ↑') : '');
		});
		this.body.replaceChildren(...[all, ...rows.slice(0, OWNER_ROWS)].map((owner) => this.row(owner)));
		this.count.textContent = rows.length > OWNER_ROWS ? `${OWNER_ROWS} of ${rows.length}` :
			this.searchBox.value ? `${rows.length} found` : '';
		const again = focused !== undefined && this.body.querySelector(`[data-pick="${focused}"]`);
		if (again && document.activeElement === document.body)
			again.focus();
	}

	sum() {
		const sum = [];

		for (const owner of this.owners)
			owner.spark.forEach((v, i) => { sum[i] = (sum[i] || 0) + v; });
		return sum;
	}

	row(owner) {
		const pick = element('button', { type: 'button', class: 'pick', 'data-pick': owner.id },
			element('bdi', { class: 'owner-name' }, owner.label));
		const detail = owner.throttled_ns ?
			element('span', { class: 'badge', title: `throttled ${owner.nr_throttled} times` }, `throttled ${duration(owner.throttled_ns)}`) :
			element('bdi', { class: 'soft' }, owner.detail);
		const row = element('tr', { 'data-owner': owner.id, title: [owner.label, owner.image, owner.cgroup].filter(Boolean).map(shown).join('\n'),
			onclick: () => this.onChoose(owner.id) },
		element('td', { class: 'owner-cell' }, pick, element('div', {}, detail)),
		element('td', {}, sparkline(owner.spark)),
		element('td', { class: 'number' }, this.covered ? (owner.cpu_ns / this.covered).toFixed(2) : '–',
			element('div', { class: 'soft' }, 'cores')),
		element('td', { class: 'number' }, percent(owner.cpu_ns, this.whole)));

		this.mark(row, owner.id);
		return row;
	}

	key(event) {
		const picks = [...this.body.querySelectorAll('.pick')], at = picks.indexOf(document.activeElement);
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: picks.length - 1 }[event.key];

		if (to === undefined || !picks[to])
			return;
		event.preventDefault();
		event.stopPropagation();
		picks[to].focus();
	}
}
