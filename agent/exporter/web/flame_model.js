'use strict';
/* The profile's tree: totals, children, search. The format is proto/flamegraph.h; no DOM here. */

const KIND = { USER: 0, KERNEL: 1, JIT: 2, PROCESS: 3, MARK: 4, OWNER: 5, WHOLE: 6, INLINED: 8 };
const WHOLE = 0; /* the node above all others */

/* Names are hostile: what would deceive the eye (controls, bidirectional and invisible signs) is shown by number. */
const DECEPTIVE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;
function shown(name) {
	return name.replace(DECEPTIVE, (sign) => '\\u' + sign.codePointAt(0).toString(16).padStart(4, '0'));
}

class Profile {
	constructor(json) {
		if (json.version !== 1)
			throw new Error('this page cannot read version ' + json.version + ' of the data');
		this.meta = json;
		this.names = json.strings.map(shown);
		this.frames = json.frames;
		this.parent = Uint32Array.from(json.nodes.parent);
		this.frame = Uint32Array.from(json.nodes.frame);
		this.selfCount = Float64Array.from(json.nodes.count);
		this.selfNs = Float64Array.from(json.nodes.ns);
		this.lineLow = json.nodes.line_low;
		this.lineHigh = json.nodes.line_high;
		this.nr = this.parent.length;
		this.addUp();
		this.sortChildren();
	}

	/* Parents stand before their children, so one pass from the end gives every total. */
	addUp() {
		this.totalCount = Float64Array.from(this.selfCount);
		this.totalNs = Float64Array.from(this.selfNs);
		this.depth = new Uint16Array(this.nr);
		for (let i = this.nr - 1; i > 0; i--) {
			this.totalCount[this.parent[i]] += this.totalCount[i];
			this.totalNs[this.parent[i]] += this.totalNs[i];
		}
		for (let i = 1; i < this.nr; i++)
			this.depth[i] = this.depth[this.parent[i]] + 1;
	}

	/* children[first[i] … first[i + 1]): those of node i, heaviest first. */
	sortChildren() {
		const first = new Uint32Array(this.nr + 1);

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
				children.subarray(first[i], first[i + 1]).sort(
					(a, b) => this.totalNs[b] - this.totalNs[a] || a - b);
		}
		this.first = first;
		this.children = children;
	}

	childrenOf(node) {
		return this.children.subarray(this.first[node], this.first[node + 1]);
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
	 * Functions below `top`: [{frame, self, total}] in ns, by self. A function that calls itself is counted once in its
	 * stack's total.
	 */
	functions(top) {
		const rows = new Map();
		const open = new Map(); /* frame → how often it is on the present stack */
		const stack = [[top, 0]];

		while (stack.length) {
			const step = stack[stack.length - 1];
			const node = step[0], frame = this.frame[node];

			if (step[1] === 0) {
				const row = rows.get(frame) || { frame, node, self: 0, total: 0 };

				rows.set(frame, row);
				row.self += this.selfNs[node];
				if (!open.get(frame))
					row.total += this.totalNs[node];
				open.set(frame, (open.get(frame) || 0) + 1);
			}
			const at = this.first[node] + step[1]++;
			if (at < this.first[node + 1]) {
				stack.push([this.children[at], 0]);
			} else {
				open.set(frame, open.get(frame) - 1);
				stack.pop();
			}
		}
		return [...rows.values()].sort((a, b) => b.self - a.self || b.total - a.total);
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
	return share.toFixed(share >= 10 ? 1 : 2) + ' %';
}
