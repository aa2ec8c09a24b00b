/* The flame graph: a tree on a canvas, drawn only where it can be seen. */

const ROW = 19; /* CSS pixels */
const NARROWEST = 1; /* CSS pixels; what is narrower is drawn as part of a grey strip */
const FONT = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

function hashOf(text) {
	let hash = 2166136261;

	for (let i = 0; i < text.length; i++)
		hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
	return hash >>> 0;
}

function colourOf(kind, name, dark) {
	const hash = hashOf(name);
	const light = (dark ? 38 : 68) + hash % 9, spread = (hash >>> 8) % 16;

	if (kind & KIND.INLINED)
		return `hsl(${165 + spread}, ${dark ? 38 : 45}%, ${light}%)`;
	switch (kind) {
	case KIND.KERNEL:
		return `hsl(${212 + spread}, ${dark ? 45 : 68}%, ${light + (dark ? 4 : 6)}%)`;
	case KIND.JIT:
		return `hsl(${90 + spread}, ${dark ? 40 : 50}%, ${light}%)`;
	case KIND.MARK:
		return `hsl(290, 12%, ${light}%)`;
	case KIND.PROCESS:
	case KIND.OWNER:
	case KIND.WHOLE:
		return `hsl(220, 9%, ${dark ? 34 : 80}%)`;
	}
	return `hsl(${28 + spread}, ${dark ? 55 : 85}%, ${light}%)`;
}

/*
 * view = new FlameGraph(element, profile, {onZoom(node), onSelect(node)})
 * The element is the scrolling frame; the canvas in it is as large as what can be seen, whatever the tree's depth.
 */
class FlameGraph {
	constructor(element, profile, hooks) {
		this.element = element;
		this.profile = profile;
		this.hooks = hooks || {};
		this.top = WHOLE; /* what may be looked at: the whole, or an owner */
		this.focus = WHOLE; /* as wide as the view */
		this.selected = WHOLE;
		this.hovered = -1;
		this.matches = null;
		this.flames = false; /* root at the bottom */
		this.colours = new Map();
		this.canvas = document.createElement('canvas');
		this.spacer = document.createElement('div');
		this.tip = document.createElement('div');
		this.tip.className = 'tip';
		this.tip.hidden = true;
		this.spacer.className = 'spacer';
		this.spacer.append(this.canvas);
		this.element.append(this.spacer);
		document.body.append(this.tip);
		this.listen();
		this.layout();
	}

	listen() {
		const dark = window.matchMedia('(prefers-color-scheme: dark)');

		this.dark = dark.matches;
		dark.addEventListener('change', () => {
			this.dark = dark.matches;
			this.colours.clear();
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
		this.element.addEventListener('keydown', (event) => this.key(event));
	}

	/* How many rows there are below the focus. */
	rows() {
		const p = this.profile;
		let deepest = 0;

		if (this.focus === WHOLE) {
			for (let i = 0; i < p.nr; i++)
				deepest = Math.max(deepest, p.depth[i]);
		} else {
			const inside = new Uint8Array(p.nr);

			inside[this.focus] = 1;
			for (let i = this.focus; i < p.nr; i++) {
				inside[i] |= inside[p.parent[i]];
				if (inside[i])
					deepest = Math.max(deepest, p.depth[i]);
			}
		}
		return deepest + 1;
	}

	layout() {
		const ratio = window.devicePixelRatio || 1;
		const width = this.element.clientWidth, height = this.element.clientHeight;

		this.nrRows = this.rows();
		this.width = width;
		this.height = height;
		this.spacer.style.height = Math.max(this.nrRows * ROW, height) + 'px';
		this.canvas.width = Math.round(width * ratio);
		this.canvas.height = Math.round(height * ratio);
		this.canvas.style.width = width + 'px';
		this.canvas.style.height = height + 'px';
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

	colour(frame) {
		let colour = this.colours.get(frame);

		if (!colour) {
			const { kind, name } = this.profile.frames;

			colour = colourOf(kind[frame], this.profile.names[name[frame]], this.dark);
			this.colours.set(frame, colour);
		}
		return colour;
	}

	drawNow() {
		const context = this.canvas.getContext('2d');
		const ratio = window.devicePixelRatio || 1;
		const path = [];

		this.boxes = []; /* [row]: boxes from left to right, for the mouse */
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, this.width, this.height);
		context.font = FONT;
		context.textBaseline = 'middle';
		this.charWidth = this.charWidth || context.measureText('M').width;
		for (let node = this.focus; ; node = this.profile.parent[node]) {
			path.push(node);
			if (node === WHOLE)
				break;
		}
		for (const node of path.slice(1))
			this.box(context, node, 0, this.width, true);
		this.subtree(context, this.focus, 0, this.width);
	}

	/* Draws a node and what is below it, leaving out what would be narrower than a hair. */
	subtree(context, root, left, width) {
		const p = this.profile;
		const scale = p.totalNs[root] ? width / p.totalNs[root] : 0;
		const todo = [[root, left]];

		while (todo.length) {
			const [node, x] = todo.pop();
			let at = x, strip = 0;

			this.box(context, node, x, p.totalNs[node] * scale || width, false);
			if (!this.reaches(p.depth[node] + 1))
				continue;
			for (const child of p.childrenOf(node)) {
				const wide = p.totalNs[child] * scale;

				if (wide < NARROWEST) {
					strip += wide; /* they are sorted: all that follow are narrow too */
					continue;
				}
				todo.push([child, at]);
				at += wide;
			}
			if (strip >= NARROWEST)
				this.strip(context, p.depth[node] + 1, at, strip);
		}
	}

	/* Whether anything of that depth or deeper can be in view. */
	reaches(depth) {
		const y = this.yOf(depth);

		return this.flames ? y + ROW > 0 : y < this.height;
	}

	strip(context, depth, x, width) {
		const y = this.yOf(depth);

		if (y + ROW < 0 || y > this.height)
			return;
		context.fillStyle = this.dark ? '#4a4a4a' : '#cccccc';
		context.fillRect(x, y, width, ROW - 1);
	}

	box(context, node, x, width, above) {
		const p = this.profile, depth = p.depth[node], y = this.yOf(depth);
		const matched = this.matches && this.matches[p.frame[node]];

		if (y + ROW < 0 || y > this.height)
			return;
		(this.boxes[depth] = this.boxes[depth] || []).push({ x, width, node });
		context.globalAlpha = above ? 0.55 : this.matches && !matched ? 0.35 : 1;
		context.fillStyle = matched ? (this.dark ? '#b03ab8' : '#e86af0') : this.colour(p.frame[node]);
		context.fillRect(x, y, Math.max(width - 0.5, NARROWEST), ROW - 1);
		if (node === this.selected && this.selected !== WHOLE || node === this.hovered) {
			context.strokeStyle = this.dark ? '#fff' : '#000';
			context.strokeRect(x + 0.5, y + 0.5, Math.max(width - 1.5, 1), ROW - 2);
		}
		this.label(context, node, x, y, width);
		context.globalAlpha = 1;
	}

	label(context, node, x, y, width) {
		const left = Math.max(x, 0), room = Math.floor((width - 6) / this.charWidth);
		let name = room >= 3 ? this.profile.name(node) : '';

		if (!name)
			return;
		if (name.length > room) /* a cut never leaves half of a character */
			name = [...name.slice(0, room)].slice(0, room - 1).join('').replace(/[\ud800-\udbff]$/, '') + '…';
		context.fillStyle = this.dark ? '#f4f4f4' : '#111';
		context.fillText(name, left + 3, y + ROW / 2, width - 4);
	}

	nodeAt(event) {
		const box = this.canvas.getBoundingClientRect();
		const x = event.clientX - box.left, y = event.clientY - box.top;

		for (const row of this.boxes || []) {
			if (!row || !row.length)
				continue;
			const top = this.yOf(this.profile.depth[row[0].node]);
			if (y < top || y >= top + ROW)
				continue;
			const hit = row.find((b) => x >= b.x && x < b.x + Math.max(b.width, 1));
			return hit ? hit.node : -1;
		}
		return -1;
	}

	hover(event) {
		const node = this.nodeAt(event);

		if (node !== this.hovered) {
			this.hovered = node;
			this.canvas.style.cursor = node >= 0 ? 'pointer' : 'default';
			this.draw();
		}
		if (node < 0) {
			this.tip.hidden = true;
			return;
		}
		this.describe(node);
		this.tip.hidden = false;
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

		return [p.name(node), where,
			`total ${duration(p.totalNs[node])}  (${percent(p.totalNs[node], p.totalNs[this.top])}${share})`,
			`self ${duration(p.selfNs[node])}  (${percent(p.selfNs[node], p.totalNs[this.top])})`,
			`${p.totalCount[node].toLocaleString('en')} samples`];
	}

	describe(node) {
		this.tip.replaceChildren(...this.lines(node).map((text, i) => {
			const line = document.createElement('div');

			line.className = i ? 'detail' : 'name';
			line.textContent = text;
			return line;
		}));
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
			todo.push(...p.childrenOf(node).slice().reverse());
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
		default: return;
		}
		event.preventDefault();
	}
}
