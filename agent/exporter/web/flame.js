/* The flame graph: a tree on a canvas, drawn only where it can be seen. */

const ROW = 20; /* CSS pixels */
const NARROWEST = 1; /* CSS pixels; what is narrower is drawn as part of a grey strip */
const FONT = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';
const DIFF_FULL = 5; /* percentage points that have the full colour */

function hashOf(text) {
	let hash = 2166136261;

	for (let i = 0; i < text.length; i++)
		hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
	return hash >>> 0;
}

function colourOf(kind, name, dark) {
	const hash = hashOf(name);
	const light = (dark ? 34 : 74) + hash % 8, spread = (hash >>> 8) % 14;

	if (kind & KIND.INLINED)
		return `hsl(${168 + spread}, ${dark ? 30 : 42}%, ${light}%)`;
	switch (kind) {
	case KIND.KERNEL:
		return `hsl(${212 + spread}, ${dark ? 36 : 66}%, ${light + (dark ? 4 : 4)}%)`;
	case KIND.JIT:
		return `hsl(${92 + spread}, ${dark ? 30 : 42}%, ${light}%)`;
	case KIND.MARK:
		return `hsl(280, 10%, ${light}%)`;
	case KIND.PROCESS:
	case KIND.OWNER:
	case KIND.WHOLE:
		return `hsl(222, 10%, ${dark ? 30 : 86}%)`;
	}
	return `hsl(${30 + spread}, ${dark ? 44 : 84}%, ${light}%)`;
}

/* More than before: red; less: blue; the shade says how many percentage points. */
function diffColour(points, dark) {
	const strength = Math.min(Math.abs(points) / DIFF_FULL, 1) ** 0.6;
	const light = dark ? 28 + 14 * strength : 94 - 30 * strength;

	if (Math.abs(points) < 0.005)
		return dark ? 'hsl(220, 6%, 30%)' : 'hsl(220, 8%, 92%)';
	return points > 0 ? `hsl(6, ${Math.round(30 + 50 * strength)}%, ${light}%)` :
		`hsl(214, ${Math.round(30 + 50 * strength)}%, ${light}%)`;
}

/*
 * view = new FlameGraph(element, profile, {onZoom(node), onSelect(node), onPick(node)})
 * The element is the scrolling frame; the canvas in it is as large as what can be seen, whatever the tree's depth.
 */
class FlameGraph {
	constructor(frame, profile, hooks) {
		this.element = frame;
		this.hooks = hooks || {};
		this.flames = false; /* root at the bottom */
		this.canvas = document.createElement('canvas');
		this.context = this.canvas.getContext('2d');
		this.spacer = element('div', { class: 'spacer' }, this.canvas);
		this.tip = element('div', { class: 'tip', hidden: '' });
		this.element.append(this.spacer);
		document.body.append(this.tip);
		this.drawn = 0; /* how often */
		this.setProfile(profile);
		this.listen();
	}

	/* Shows another profile; the path of names to the focus is followed as far as it goes. */
	setProfile(profile, path) {
		this.profile = profile;
		this.top = WHOLE; /* what may be looked at: the whole, or an owner */
		this.focus = this.selected = path ? profile.follow(path) : WHOLE; /* as wide as the view */
		this.hovered = -1;
		this.matches = null;
		this.colours = new Array(profile.frames.name.length);
		this.stack = new Uint32Array(profile.nr + 1);
		this.tip.hidden = true;
		this.layout();
	}

	listen() {
		theme.listeners.push(() => {
			this.colours.fill(undefined);
			this.draw();
		});
		new ResizeObserver(() => this.layout()).observe(this.element);
		this.element.addEventListener('scroll', () => this.draw());
		this.canvas.addEventListener('mousemove', (event) => this.hover(event));
		this.canvas.addEventListener('mouseleave', () => this.leave());
		this.canvas.addEventListener('click', (event) => {
			const node = this.nodeAt(event);

			this.element.focus({ preventScroll: true });
			if (node >= 0)
				this.zoom(node);
		});
		this.canvas.addEventListener('dblclick', (event) => {
			const node = this.nodeAt(event);

			if (node >= 0 && this.hooks.onPick)
				this.hooks.onPick(node);
		});
		this.element.addEventListener('keydown', (event) => this.key(event));
	}

	layout() {
		const ratio = window.devicePixelRatio || 1;
		const width = this.element.clientWidth, height = this.element.clientHeight;

		this.nrRows = this.profile.deepest(this.focus) + 1;
		this.width = width;
		this.height = height;
		this.spacer.style.height = Math.max(this.nrRows * ROW, height) + 'px';
		if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
			this.canvas.width = Math.round(width * ratio);
			this.canvas.height = Math.round(height * ratio);
			this.canvas.style.width = width + 'px';
			this.canvas.style.height = height + 'px';
		}
		this.draw();
	}

	draw() {
		if (this.drawing)
			return;
		this.drawing = true;
		requestAnimationFrame(() => {
			this.drawing = false;
			this.drawNow();
		});
	}

	yOf(depth) {
		const row = this.flames ? Math.max(this.nrRows, Math.floor(this.height / ROW)) - 1 - depth : depth;

		return row * ROW - this.element.scrollTop;
	}

	/* Pixels per unit of weight, and the box of a node: [x, y, width], wider than the view above the focus. */
	get scale() {
		const weight = this.profile.weight[this.focus];

		return weight ? this.width / weight : 0;
	}

	boxOf(node) {
		const p = this.profile, y = this.yOf(p.depth[node]);

		if (node !== this.focus && p.within(this.focus, node))
			return [0, y, this.width];
		return [(p.left[node] - p.left[this.focus]) * this.scale, y, p.weight[node] * this.scale];
	}

	colour(node) {
		const p = this.profile, frame = p.frame[node];

		if (p.totalBase)
			return diffColour(p.points(p.totalNs[node], p.totalBase[node]), this.dark);
		return this.colours[frame] ||
			(this.colours[frame] = colourOf(p.frames.kind[frame], p.names[p.frames.name[frame]], this.dark));
	}

	drawNow() {
		const { context, profile: p } = this;
		const ratio = window.devicePixelRatio || 1;

		this.dark = theme.dark;
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, this.width, this.height);
		context.font = FONT;
		context.textBaseline = 'middle';
		this.charWidth = this.charWidth || context.measureText('M').width;
		for (let node = this.focus; node !== WHOLE; ) {
			node = p.parent[node];
			this.box(node, 0, this.width, true);
		}
		this.subtree();
		this.drawn++;
	}

	/* Draws the focus and what is below it, leaving out what would be narrower than a hair. */
	subtree() {
		const { profile: p, stack, focus } = this, { scale } = this, origin = p.left[focus];
		let at = 0;

		stack[0] = focus;
		while (at >= 0) {
			const node = stack[at--];
			let strip = 0, begin = 0;

			this.box(node, (p.left[node] - origin) * scale, node === focus ? this.width : p.weight[node] * scale, false);
			if (!this.reaches(p.depth[node] + 1))
				continue;
			for (let c = p.first[node]; c < p.first[node + 1]; c++) {
				const child = p.children[c], wide = p.weight[child] * scale;

				if (wide < NARROWEST) { /* they are sorted: all that follow are narrow too */
					begin = (p.left[child] - origin) * scale;
					const last = p.children[p.first[node + 1] - 1];
					strip = (p.left[last] + p.weight[last] - origin) * scale - begin;
					break;
				}
				stack[++at] = child;
			}
			if (strip >= NARROWEST)
				this.strip(p.depth[node] + 1, begin, strip);
		}
	}

	/* Whether anything of that depth or deeper can be in view. */
	reaches(depth) {
		const y = this.yOf(depth);

		return this.flames ? y + ROW > 0 : y < this.height;
	}

	strip(depth, x, width) {
		const y = this.yOf(depth);

		if (y + ROW < 0 || y > this.height)
			return;
		this.context.fillStyle = this.dark ? '#3d424c' : '#d9dce1';
		this.context.fillRect(x, y, width, ROW - 1);
	}

	box(node, x, width, above) {
		const { context, profile: p } = this, y = this.yOf(p.depth[node]);
		const matched = this.matches && this.matches[p.frame[node]];

		if (y + ROW < 0 || y > this.height)
			return;
		context.globalAlpha = above ? 0.6 : this.matches && !matched ? 0.3 : 1;
		context.fillStyle = matched ? (this.dark ? '#a43bb0' : '#e58bf0') : this.colour(node);
		context.fillRect(x, y, Math.max(width - 0.75, NARROWEST), ROW - 1);
		if (node === this.selected && this.selected !== WHOLE || node === this.hovered) {
			context.globalAlpha = 1;
			context.strokeStyle = this.dark ? '#fff' : '#1b1f27';
			context.lineWidth = node === this.selected ? 2 : 1;
			context.strokeRect(x + 1, y + 1, Math.max(width - 2.5, 1), ROW - 3);
		}
		if (width >= 24)
			this.label(node, x, y, width);
		context.globalAlpha = 1;
	}

	label(node, x, y, width) {
		const { context } = this, room = Math.floor((width - 8) / this.charWidth);
		let name = room >= 3 ? this.profile.name(node) : '';

		if (!name)
			return;
		if (name.length > room) /* a cut never leaves half of a character */
			name = name.slice(0, room - 1).replace(/[\ud800-\udbff]$/, '') + '…';
		context.fillStyle = this.dark ? '#f2f4f7' : '#16181d';
		context.fillText(name, x + 4, y + ROW / 2, width - 5);
	}

	/* The node at a place of the window, or -1. */
	nodeAt(event) {
		const box = this.canvas.getBoundingClientRect(), p = this.profile;
		const x = event.clientX - box.left, y = event.clientY - box.top;
		const row = Math.floor((y + this.element.scrollTop) / ROW);
		const depth = this.flames ? Math.max(this.nrRows, Math.floor(this.height / ROW)) - 1 - row : row;
		let node = this.focus;

		if (depth < 0 || x < 0 || x >= this.width)
			return -1;
		if (depth <= p.depth[node]) {
			while (p.depth[node] > depth)
				node = p.parent[node];
			return node;
		}
		while (node >= 0 && p.depth[node] < depth)
			node = p.childAt(node, p.left[this.focus] + x / (this.scale || 1));
		return node >= 0 && p.weight[node] * this.scale >= NARROWEST ? node : -1;
	}

	hover(event) {
		const node = this.nodeAt(event);

		if (node !== this.hovered) {
			this.hovered = node;
			this.canvas.style.cursor = node >= 0 ? 'pointer' : 'default';
			this.draw();
			if (node >= 0)
				this.describe(node);
		}
		this.tip.hidden = node < 0;
		if (node < 0)
			return;
		const width = this.tip.offsetWidth, height = this.tip.offsetHeight;
		const x = Math.min(event.clientX + 14, window.innerWidth - width - 8);
		const below = event.clientY + 18;
		this.tip.style.left = Math.max(x, 4) + 'px';
		this.tip.style.top = Math.max(below + height > window.innerHeight ? event.clientY - height - 12 : below, 4) +
			'px';
	}

	leave() {
		this.tip.hidden = true;
		this.hovered = -1;
		this.draw();
	}

	lines(node) {
		const p = this.profile, kind = p.kind(node);
		const what = kind & KIND.INLINED ? 'inlined' :
			{ [KIND.USER]: 'user', [KIND.KERNEL]: 'kernel', [KIND.JIT]: 'anonymous memory', [KIND.PROCESS]: 'process',
				[KIND.MARK]: 'mark', [KIND.OWNER]: 'owner', [KIND.WHOLE]: 'everything' }[kind];
		const where = [p.place(node), p.mapping(node), what].filter(Boolean).join('  ·  ');
		const share = this.focus === WHOLE ? '' : `, ${percent(p.totalNs[node], p.totalNs[this.focus])} of what is shown`;

		const lines = [p.name(node), where,
			`total ${duration(p.totalNs[node])}  (${percent(p.totalNs[node], p.totalNs[this.top])}${share})`,
			`self ${duration(p.selfNs[node])}  (${percent(p.selfNs[node], p.totalNs[this.top])})`];
		if (p.totalBase)
			lines.push(`before ${duration(p.totalBase[node])}  (${percent(p.totalBase[node], p.wholeBase)})  →  ` +
				pointsText(p.points(p.totalNs[node], p.totalBase[node])));
		return [...lines, `${p.totalCount[node].toLocaleString('en')} samples`];
	}

	describe(node) {
		this.tip.replaceChildren(...this.lines(node).map((text, i) =>
			element('div', { class: i ? 'detail' : 'name' }, text)));
	}

	/* Restricts everything to an owner, or WHOLE. */
	restrict(top) {
		this.top = top;
		this.zoom(top);
	}

	zoom(node) {
		this.focus = this.selected = this.profile.within(node, this.top) ? node : this.top;
		this.layout();
		this.scrollTo(this.focus);
		if (this.hooks.onZoom)
			this.hooks.onZoom(this.focus);
		this.select(this.focus);
	}

	select(node) {
		this.selected = node;
		this.scrollTo(node);
		this.draw();
		if (this.hooks.onSelect)
			this.hooks.onSelect(node);
	}

	scrollTo(node) {
		const y = this.yOf(this.profile.depth[node]);

		if (y < 0 || y + ROW > this.height)
			this.element.scrollTop += y - this.height / 3;
	}

	setFlames(on) {
		this.flames = on;
		this.layout();
		this.element.scrollTop = on ? this.spacer.scrollHeight : 0;
		this.draw();
	}

	/* Shows where `text` (a regular expression) matches; returns the matching share's ns, or -1 on a bad expression. */
	search(text) {
		this.matches = null;
		try {
			if (text)
				this.matches = this.profile.matchFrames(text);
		} catch (error) {
			return -1;
		} finally {
			this.draw();
		}
		return this.matches ? this.profile.matchedNs(this.matches, this.focus) : 0;
	}

	/* Selects the next (or previous) matching box below the focus, from the top down, from left to right. */
	nextMatch(step) {
		const order = [], p = this.profile, todo = [this.focus];

		if (!this.matches)
			return;
		while (todo.length) {
			const node = todo.pop();

			if (this.matches[p.frame[node]])
				order.push(node);
			for (let c = p.first[node + 1]; c-- > p.first[node]; )
				todo.push(p.children[c]);
		}
		if (order.length) {
			const at = order.indexOf(this.selected);

			this.select(order[at < 0 ? 0 : (at + step + order.length) % order.length]);
		}
	}

	sibling(step) {
		const p = this.profile;

		if (this.selected === this.focus)
			return this.selected;
		const all = p.childrenOf(p.parent[this.selected]);
		const at = all.indexOf(this.selected) + step;
		return at >= 0 && at < all.length ? all[at] : this.selected;
	}

	key(event) {
		const p = this.profile, child = p.childrenOf(this.selected)[0];
		const up = this.selected === WHOLE ? WHOLE : p.parent[this.selected];
		const towardsRoot = this.flames ? 'ArrowDown' : 'ArrowUp', towardsLeaf = this.flames ? 'ArrowUp' : 'ArrowDown';

		if (event.ctrlKey || event.metaKey || event.altKey)
			return;
		switch (event.key) {
		case towardsRoot: this.select(this.selected === this.top ? this.top : up); break;
		case towardsLeaf: if (child !== undefined) this.select(child); break;
		case 'ArrowLeft': this.select(this.sibling(-1)); break;
		case 'ArrowRight': this.select(this.sibling(1)); break;
		case 'Enter': case ' ': this.zoom(this.selected); break;
		case 'Backspace': this.zoom(this.focus === this.top ? this.top : p.parent[this.focus]); break;
		case 'Escape': case '0': this.zoom(this.top); break;
		case 's': if (this.hooks.onPick) this.hooks.onPick(this.selected); break;
		default: return;
		}
		event.preventDefault();
		event.stopPropagation();
	}
}
