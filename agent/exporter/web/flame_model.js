'use strict';
/* The profile's tree: totals, children, search, functions. The format is proto/flamegraph.h; no DOM here. */

const KIND = { USER: 0, KERNEL: 1, JIT: 2, PROCESS: 3, MARK: 4, OWNER: 5, WHOLE: 6, INLINED: 8 };
const WHOLE = 0; /* the node above all others */

/* Names are hostile: what would deceive the eye (controls, bidirectional and invisible signs) is shown by number. */
const DECEPTIVE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;
function shown(name) {
	return name.replace(DECEPTIVE, (sign) => '\\u' + sign.codePointAt(0).toString(16).padStart(4, '0'));
}

/* Whether a frame is a function, and no process, owner or mark around them. */
function isFunction(kind) {
	return kind < KIND.PROCESS || (kind & KIND.INLINED) !== 0;
}

/*
 * A tree of nodes in typed arrays; a parent stands before its children. Where it is compared with a base, a node is as wide
 * as the mean of its shares on both sides, so that what is gone is seen too.
 */
class Profile {
	constructor(json) {
		if (json.version !== 1)
			throw new Error('this page cannot read version ' + json.version + ' of the data');
		this.meta = json;
		this.names = json.strings.map(shown);
		this.frames = json.frames;
		this.setNodes(json.nodes);
		this.wholeNs = this.totalNs[WHOLE];
		this.wholeBase = this.totalBase ? this.totalBase[WHOLE] : 0;
	}

	/* A part of this one, of other nodes with the same frames: columns as in the JSON. */
	derive(nodes) {
		const other = Object.create(Profile.prototype);

		other.meta = this.meta;
		other.names = this.names;
		other.frames = this.frames;
		other.wholeNs = this.wholeNs;
		other.wholeBase = this.wholeBase;
		other.setNodes(nodes);
		return other;
	}

	setNodes(nodes) {
		this.parent = Uint32Array.from(nodes.parent);
		this.frame = Uint32Array.from(nodes.frame);
		this.selfCount = Float64Array.from(nodes.count);
		this.selfNs = Float64Array.from(nodes.ns);
		this.selfBase = nodes.base_ns ? Float64Array.from(nodes.base_ns) : null;
		this.lineLow = nodes.line_low;
		this.lineHigh = nodes.line_high;
		this.nr = this.parent.length;
		this.totalCount = this.addUp(this.selfCount);
		this.totalNs = this.addUp(this.selfNs);
		this.totalBase = this.selfBase ? this.addUp(this.selfBase) : null;
		this.depth = new Uint16Array(this.nr);
		for (let i = 1; i < this.nr; i++)
			this.depth[i] = this.depth[this.parent[i]] + 1;
		this.weight = this.selfBase ? this.mix() : this.totalNs;
		this.sortChildren();
		this.layOut();
	}

	/* Parents stand before their children, so one pass from the end gives every total. */
	addUp(self) {
		const total = self.slice();

		for (let i = this.nr - 1; i > 0; i--)
			total[this.parent[i]] += total[i];
		return total;
	}

	mix() {
		const weight = new Float64Array(this.nr);
		const whole = this.totalNs[WHOLE] || 1, base = this.totalBase[WHOLE] || 1;
		const sides = (this.totalNs[WHOLE] ? 1 : 0) + (this.totalBase[WHOLE] ? 1 : 0) || 1;

		for (let i = 0; i < this.nr; i++)
			weight[i] = (this.totalNs[i] / whole + this.totalBase[i] / base) / sides;
		return weight;
	}

	/* children[first[i] … first[i + 1]): those of node i, heaviest first. */
	sortChildren() {
		const first = new Uint32Array(this.nr + 1), { weight } = this;

		for (let i = 1; i < this.nr; i++)
			first[this.parent[i] + 1]++;
		for (let i = 0; i < this.nr; i++)
			first[i + 1] += first[i];
		const at = first.slice();
		const children = new Uint32Array(Math.max(this.nr - 1, 0));
		for (let i = 1; i < this.nr; i++)
			children[at[this.parent[i]]++] = i;
		for (let i = 0; i < this.nr; i++) {
			if (first[i + 1] - first[i] > 1)
				children.subarray(first[i], first[i + 1]).sort((a, b) => weight[b] - weight[a] || a - b);
		}
		this.first = first;
		this.children = children;
	}

	/* left[i]: where node i begins, in units of weight from the whole's left edge. */
	layOut() {
		const left = new Float64Array(this.nr);

		for (let i = 0; i < this.nr; i++) {
			let at = left[i];

			for (let c = this.first[i]; c < this.first[i + 1]; c++) {
				left[this.children[c]] = at;
				at += this.weight[this.children[c]];
			}
		}
		this.left = left;
	}

	childrenOf(node) {
		return this.children.subarray(this.first[node], this.first[node + 1]);
	}

	/* The child of node that stands at a place (in units of weight), or -1. */
	childAt(node, place) {
		let low = this.first[node], high = this.first[node + 1];

		while (low < high) {
			const middle = (low + high) >> 1, child = this.children[middle];

			if (place < this.left[child])
				high = middle;
			else if (place >= this.left[child] + this.weight[child])
				low = middle + 1;
			else
				return child;
		}
		return -1;
	}

	/* How deep the tree below a node goes. */
	deepest(node) {
		let deepest = this.depth[node];

		if (node === WHOLE) {
			for (let i = 0; i < this.nr; i++)
				deepest = Math.max(deepest, this.depth[i]);
			return deepest;
		}
		const inside = new Uint8Array(this.nr);
		inside[node] = 1;
		for (let i = node + 1; i < this.nr; i++) {
			inside[i] = inside[this.parent[i]];
			if (inside[i])
				deepest = Math.max(deepest, this.depth[i]);
		}
		return deepest;
	}

	kind(node) {
		return this.frames.kind[this.frame[node]];
	}

	name(node) {
		return this.names[this.frames.name[this.frame[node]]];
	}

	/* Where the node's code stands: "file:line", or "file:lowest–highest" of several lines; "" if unknown. */
	place(node) {
		const file = this.names[this.frames.file[this.frame[node]]];
		const low = this.lineLow[node], high = this.lineHigh[node];

		if (!file)
			return '';
		return file + (low ? ':' + low + (high > low ? '–' + high : '') : '');
	}

	mapping(node) {
		return this.names[this.frames.mapping[this.frame[node]]];
	}

	within(node, ancestor) {
		while (node !== ancestor && node !== WHOLE)
			node = this.parent[node];
		return node === ancestor;
	}

	/* The frames' names from below the whole to the node: what finds it again in another profile. */
	path(node) {
		const path = [];

		for (; node !== WHOLE; node = this.parent[node])
			path.unshift(this.name(node));
		return path;
	}

	/* The node that a path() leads to, as far as it goes. */
	follow(path) {
		let node = WHOLE;

		for (const name of path) {
			const next = this.childrenOf(node).find((child) => this.name(child) === name);

			if (next === undefined)
				break;
			node = next;
		}
		return node;
	}

	/* How many percentage points more of the time a node has than in the base. */
	points(total, base) {
		return 100 * ((this.wholeNs ? total / this.wholeNs : 0) - (this.wholeBase ? base / this.wholeBase : 0));
	}

	/* Frames whose name, file or mapping matches: an array of 0 and 1 by frame. Throws on a bad expression. */
	matchFrames(text) {
		const expression = new RegExp(text, /[A-Z]/.test(text) ? 'u' : 'iu');
		const byString = this.names.map((name) => expression.test(name));
		const { name, file, mapping } = this.frames;

		return Uint8Array.from(name, (n, i) => byString[n] || byString[file[i]] || byString[mapping[i]]);
	}

	/* The CPU time below `top` of stacks with a matching frame, each stack counted once. */
	matchedNs(matches, top) {
		const inside = new Uint8Array(this.nr);
		let ns = 0;

		for (let i = top; i < this.nr; i++) {
			const above = i === top ? 2 : inside[this.parent[i]];

			if (!(above & 2))
				continue;
			inside[i] = 2 | (above & 1) | matches[this.frame[i]];
			if (inside[i] & 1)
				ns += this.selfNs[i];
		}
		return ns;
	}

	/*
	 * Functions below `top`: [{name, node, frame, self, total, selfBase, totalBase}] in ns. A function that calls itself is
	 * counted once in its stack's total. Functions of one name in one file are one.
	 */
	functions(top) {
		const { name: names, mapping } = this.frames;
		const rowOf = new Map(), rowOfFrame = new Int32Array(names.length).fill(-1), rows = [];

		const row = (node) => {
			const frame = this.frame[node];

			if (rowOfFrame[frame] < 0) {
				const key = names[frame] * 67108864 + mapping[frame];

				if (!rowOf.has(key)) {
					rowOf.set(key, rows.length);
					rows.push({ name: this.name(node), node, frame, self: 0, total: 0, selfBase: 0, totalBase: 0, open: 0 });
				}
				rowOfFrame[frame] = rowOf.get(key);
			}
			return rows[rowOfFrame[frame]];
		};
		/* depth first, with the rows that are open on the present stack */
		const stack = new Uint32Array(this.nr + 1), next = new Uint32Array(this.nr);
		let at = 0;
		stack[0] = top;
		while (at >= 0) {
			const node = stack[at], r = row(node);

			if (!next[node]) {
				r.self += this.selfNs[node];
				r.selfBase += this.selfBase ? this.selfBase[node] : 0;
				if (!r.open) {
					r.total += this.totalNs[node];
					r.totalBase += this.totalBase ? this.totalBase[node] : 0;
				}
				r.open++;
			}
			const child = this.first[node] + next[node]++;
			if (child < this.first[node + 1]) {
				stack[++at] = this.children[child];
			} else {
				r.open--;
				at--;
			}
		}
		return rows.filter((r) => isFunction(this.frames.kind[r.frame]));
	}

	/*
	 * The sandwich of the functions with a name, below `top`: {callers, callees}, two profiles whose whole stands for the
	 * function. Of a function that calls itself the outermost call counts.
	 */
	sandwich(name, top) {
		const callers = new TreeMaker(this), callees = new TreeMaker(this);
		const inside = new Uint8Array(this.nr), wanted = new Uint8Array(this.frames.name.length);
		const to = new Uint32Array(this.nr); /* nodes within a call → their place among the callees */

		for (let f = 0; f < wanted.length; f++)
			wanted[f] = this.names[this.frames.name[f]] === name && isFunction(this.frames.kind[f]) ? 1 : 0;
		inside[top] = 2;
		for (let i = top; i < this.nr; i++) {
			const above = i === top ? 2 : inside[this.parent[i]];

			if (!(above & 2))
				continue;
			inside[i] = above;
			if (above & 1) {
				to[i] = callees.child(to[this.parent[i]], i);
			} else if (wanted[this.frame[i]]) {
				inside[i] |= 1;
				to[i] = callees.call(i);
				this.addCallers(callers, i, top);
			}
			if (inside[i] & 1)
				callees.add(to[i], this.selfCount[i], this.selfNs[i], this.selfBase ? this.selfBase[i] : 0);
		}
		return { callers: callers.profile(), callees: callees.profile() };
	}

	addCallers(maker, node, top) {
		let at = maker.call(node);

		for (let up = node; up !== top && up !== WHOLE && this.parent[up] !== WHOLE; ) {
			up = this.parent[up];
			at = maker.child(at, up);
		}
		maker.add(at, this.totalCount[node], this.totalNs[node], this.totalBase ? this.totalBase[node] : 0);
	}
}

/* A tree that grows node by node, to become a profile. Its first node is a function that is looked at. */
class TreeMaker {
	constructor(profile) {
		this.from = profile;
		this.known = new Map();
		this.nodes = { parent: [], frame: [], count: [], ns: [], line_low: [], line_high: [] };
		if (profile.selfBase)
			this.nodes.base_ns = [];
	}

	push(parent, node) {
		const { nodes, from } = this;

		nodes.parent.push(parent);
		nodes.frame.push(from.frame[node]);
		nodes.count.push(0);
		nodes.ns.push(0);
		nodes.line_low.push(from.lineLow[node]);
		nodes.line_high.push(from.lineHigh[node]);
		if (nodes.base_ns)
			nodes.base_ns.push(0);
		return nodes.parent.length - 1;
	}

	/* The function itself. */
	call(node) {
		return this.nodes.parent.length ? 0 : this.push(0, node);
	}

	/* The node below parent with the frame of `node`. */
	child(parent, node) {
		const key = parent * 67108864 + this.from.frame[node];
		let found = this.known.get(key);

		if (found === undefined) {
			found = this.push(parent, node);
			this.known.set(key, found);
		}
		return found;
	}

	add(at, count, ns, base) {
		this.nodes.count[at] += count;
		this.nodes.ns[at] += ns;
		if (this.nodes.base_ns)
			this.nodes.base_ns[at] += base;
	}

	profile() {
		return this.nodes.parent.length ? this.from.derive(this.nodes) : null;
	}
}

function duration(ns) {
	if (ns >= 3600e9)
		return (ns / 3600e9).toFixed(2) + ' h';
	if (ns >= 60e9)
		return (ns / 60e9).toFixed(2) + ' min';
	if (ns >= 1e9)
		return (ns / 1e9).toFixed(2) + ' s';
	return (ns / 1e6).toFixed(ns >= 1e7 ? 0 : 2) + ' ms';
}

function percent(part, whole) {
	if (!whole)
		return '–';
	const share = 100 * part / whole;
	if (part && Math.abs(share) < 0.005)
		return '< 0.01 %';
	return share.toFixed(share >= 10 ? 1 : 2) + ' %';
}

/* "+1.25 pp", with a sign that says which way. */
function pointsText(points) {
	const rounded = Math.abs(points).toFixed(2);

	return rounded === '0.00' ? '±0 pp' : (points > 0 ? '+' : '−') + rounded + ' pp';
}
