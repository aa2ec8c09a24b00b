/*
 * The time chart: CPU as sampled (area) with the kernel's own count (line) over it, throttling and lost samples in strips
 * below. A drag selects; the keys do all that the mouse can.
 */

const CHART_LEFT = 46, CHART_RIGHT = 10, CHART_TOP = 10, STRIP = 10, AXIS = 18;
const TICKS = [1e3, 2e3, 5e3, 10e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1800e3, 3600e3, 7200e3, 10800e3, 21600e3, 43200e3, 86400e3];

/* The least of 1, 2, 5 × 10^n that is not below value. */
function niceAbove(value) {
	const power = 10 ** Math.floor(Math.log10(value || 1));

	return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.9999) || 10 * power;
}

/* hooks: onSelect([from, to] | null), onZoom(from, to), onOut() */
class TimeChart {
	constructor(hooks) {
		this.hooks = hooks;
		this.canvas = element('canvas');
		this.context = this.canvas.getContext('2d');
		this.tip = element('div', { class: 'tip', hidden: '' });
		this.element = element('div', { id: 'chart', tabindex: '0', role: 'application', 'aria-label': 'CPU over time; ' +
			'arrow keys move, with Shift they select, Enter zooms in, minus zooms out, Escape clears', 'aria-describedby': 'chart-text' },
		this.canvas);
		this.text = element('div', { id: 'chart-text', class: 'sr-only', 'aria-live': 'polite' });
		document.body.append(this.tip);
		this.data = null;
		this.selection = null;
		this.cursor = -1;
		this.listen();
	}

	listen() {
		theme.listeners.push(() => this.draw());
		new ResizeObserver(() => this.draw()).observe(this.element);
		this.element.addEventListener('pointerdown', (event) => this.press(event));
		this.element.addEventListener('pointermove', (event) => this.move(event));
		this.element.addEventListener('pointerup', (event) => this.release(event));
		this.element.addEventListener('pointercancel', () => { this.from = undefined; });
		this.element.addEventListener('pointerleave', () => this.leave());
		this.element.addEventListener('dblclick', () => this.selection ? this.hooks.onZoom(...this.selection) : this.hooks.onOut());
		this.element.addEventListener('keydown', (event) => this.key(event));
	}

	/* data: the API's series; from, to: what the chart shows, in ms. */
	show(data, from, to, selection) {
		this.data = data;
		this.begin = from;
		this.end = to;
		this.selection = selection;
		this.draw();
	}

	select(selection) {
		this.selection = selection;
		this.draw();
	}

	xOf(ms) {
		return CHART_LEFT + (ms - this.begin) / (this.end - this.begin) * (this.width - CHART_LEFT - CHART_RIGHT);
	}

	msOf(x) {
		const share = (x - CHART_LEFT) / (this.width - CHART_LEFT - CHART_RIGHT);

		return Math.round(this.begin + Math.min(Math.max(share, 0), 1) * (this.end - this.begin));
	}

	/* Cores in a bucket; NaN where no window covers it. */
	cores(values, i) {
		const covered = this.data.covered_ns[i];

		return covered ? values[i] / covered : NaN;
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

	drawNow() {
		const ratio = window.devicePixelRatio || 1, { context } = this;

		this.width = this.element.clientWidth;
		this.height = this.element.clientHeight;
		this.canvas.width = Math.round(this.width * ratio);
		this.canvas.height = Math.round(this.height * ratio);
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, this.width, this.height);
		if (!this.data)
			return;
		this.bottom = this.height - AXIS - 2 * STRIP;
		this.scale();
		this.grid();
		this.area();
		this.line();
		this.strips();
		this.overlay();
	}

	scale() {
		let top = 0;

		for (let i = 0; i < this.data.cpu_ns.length; i++) {
			top = Math.max(top, this.cores(this.data.cpu_ns, i) || 0);
			if (this.data.usage_of_ns[i])
				top = Math.max(top, this.cores(this.data.usage_ns, i) || 0);
		}
		this.top = niceAbove(Math.max(top, 0.001) * 1.05);
	}

	yOf(cores) {
		return this.bottom - cores / this.top * (this.bottom - CHART_TOP);
	}

	grid() {
		const { context } = this;

		context.font = '11px system-ui, sans-serif';
		context.fillStyle = cssColour('--soft');
		context.strokeStyle = cssColour('--grid');
		context.lineWidth = 1;
		context.textBaseline = 'middle';
		context.textAlign = 'right';
		for (const share of [0, 0.5, 1]) {
			const y = Math.round(this.yOf(this.top * share)) + 0.5;

			context.beginPath();
			context.moveTo(CHART_LEFT, y);
			context.lineTo(this.width - CHART_RIGHT, y);
			context.stroke();
			context.fillText(share ? String(Number((this.top * share).toPrecision(3))) : '0', CHART_LEFT - 7, y);
		}
		this.times();
	}

	times() {
		const { context } = this, room = (this.width - CHART_LEFT) / 86;
		const step = TICKS.find((t) => (this.end - this.begin) / t <= room) || 86400e3 * Math.ceil((this.end - this.begin) / 86400e3 / room);
		const zone = new Date(this.begin).getTimezoneOffset() * 60e3;
		let last = '';

		context.textAlign = 'center';
		for (let at = Math.ceil((this.begin - zone) / step) * step + zone; at <= this.end; at += step) {
			const x = this.xOf(at), day = new Date(at).toDateString();
			const text = step >= 86400e3 || (last && last !== day) ? clockText(at, true).slice(5, step >= 86400e3 ? 10 : 16) :
				clockText(at, false, step < 60e3);

			context.beginPath();
			context.moveTo(Math.round(x) + 0.5, this.height - AXIS);
			context.lineTo(Math.round(x) + 0.5, this.height - AXIS + 4);
			context.stroke();
			if (x > CHART_LEFT + 10 && x < this.width - 30)
				context.fillText(text, x, this.height - AXIS / 2 + 2);
			last = day;
		}
	}

	bucketX(i) {
		return this.xOf(this.data.buckets_from_ms + i * this.data.bucket_ms);
	}

	clip() {
		this.context.save();
		this.context.beginPath();
		this.context.rect(CHART_LEFT, 0, this.width - CHART_LEFT - CHART_RIGHT, this.height);
		this.context.clip();
	}

	area() {
		const { context } = this, values = this.data.cpu_ns;

		this.clip();
		context.fillStyle = cssColour('--area');
		context.strokeStyle = cssColour('--accent');
		context.lineWidth = 1.25;
		for (let i = 0; i < values.length; i++) {
			if (Number.isNaN(this.cores(values, i)))
				continue;
			const first = i;

			context.beginPath();
			context.moveTo(this.bucketX(i), this.bottom);
			for (; i < values.length && !Number.isNaN(this.cores(values, i)); i++) {
				context.lineTo(this.bucketX(i), this.yOf(this.cores(values, i)));
				context.lineTo(this.bucketX(i + 1), this.yOf(this.cores(values, i)));
			}
			context.lineTo(this.bucketX(i), this.bottom);
			context.fill();
			this.steps(values, first, i);
		}
		context.restore();
	}

	/* The upper edge alone, so that no stroke stands at a gap's sides. */
	steps(values, first, end) {
		const { context } = this;

		context.beginPath();
		for (let i = first; i < end; i++) {
			const y = this.yOf(this.cores(values, i));

			context[i === first ? 'moveTo' : 'lineTo'](this.bucketX(i), y);
			context.lineTo(this.bucketX(i + 1), y);
		}
		context.stroke();
	}

	/* The kernel's count, where there is one. */
	line() {
		const { context } = this, { usage_ns: values, usage_of_ns: of } = this.data;

		this.clip();
		context.strokeStyle = cssColour('--kernel');
		context.lineWidth = 1.5;
		context.setLineDash([4, 3]);
		context.beginPath();
		let open = false;
		for (let i = 0; i < values.length; i++) {
			const known = of[i] > 0 && !Number.isNaN(this.cores(values, i));

			if (known) {
				const y = this.yOf(this.cores(values, i));

				context[open ? 'lineTo' : 'moveTo'](this.bucketX(i), y);
				context.lineTo(this.bucketX(i + 1), y);
			}
			open = known;
		}
		context.stroke();
		context.restore();
	}

	strips() {
		const { context } = this, { throttled_ns: throttled, nr_throttled: nr, lost_samples: lost, cpu_ns: cpu } = this.data;
		const y = this.bottom + 3;

		this.clip();
		for (let i = 0; i < nr.length; i++) {
			const x = this.bucketX(i), width = Math.max(this.bucketX(i + 1) - x, 1);

			if (nr[i] || throttled[i]) {
				context.globalAlpha = Math.min(0.35 + throttled[i] / (this.data.covered_ns[i] || 1) * 4, 1);
				context.fillStyle = cssColour('--throttle');
				context.fillRect(x, y, width, STRIP - 4);
			}
			if (lost[i]) {
				const share = lost[i] * this.data.period_ns / (lost[i] * this.data.period_ns + cpu[i]);

				context.globalAlpha = Math.min(0.35 + share * 4, 1);
				context.fillStyle = cssColour('--lost');
				context.fillRect(x, y + STRIP - 2, width, STRIP - 5);
			}
		}
		context.globalAlpha = 1;
		context.restore();
	}

	overlay() {
		const { context } = this;

		if (this.selection) {
			const [x0, x1] = this.selection.map((ms) => this.xOf(ms));

			this.clip();
			context.fillStyle = cssColour('--veil');
			context.fillRect(CHART_LEFT, 0, x0 - CHART_LEFT, this.height - AXIS);
			context.fillRect(x1, 0, this.width - x1, this.height - AXIS);
			context.fillStyle = cssColour('--accent');
			context.fillRect(x0 - 1, 0, 2, this.height - AXIS);
			context.fillRect(x1 - 1, 0, 2, this.height - AXIS);
			context.restore();
		}
		if (this.cursor >= 0 && this.cursor < this.data.cpu_ns.length) {
			const x = (this.bucketX(this.cursor) + this.bucketX(this.cursor + 1)) / 2;

			context.strokeStyle = cssColour('--soft');
			context.lineWidth = 1;
			context.beginPath();
			context.moveTo(Math.round(x) + 0.5, CHART_TOP);
			context.lineTo(Math.round(x) + 0.5, this.height - AXIS);
			context.stroke();
		}
	}

	bucketAt(x) {
		return Math.floor((this.msOf(x) - this.data.buckets_from_ms) / this.data.bucket_ms);
	}

	lines(i) {
		const d = this.data, at = d.buckets_from_ms + i * d.bucket_ms, cores = this.cores(d.cpu_ns, i);
		const lines = [rangeText(at, at + d.bucket_ms)];

		if (Number.isNaN(cores))
			return [...lines, 'no window here'];
		lines.push(`${cores.toFixed(3)} cores sampled`);
		if (d.usage_of_ns[i]) {
			const audit = d.usage_ns[i] ? 100 * (d.usage_of_ns[i] / d.usage_ns[i] - 1) : 0;

			lines.push(`${this.cores(d.usage_ns, i).toFixed(3)} cores by the kernel's own count` +
				(d.usage_of_ns[i] < d.cpu_ns[i] ? ' (of those that have a cgroup)' : ''),
			`sampling is ${audit >= 0 ? '+' : '−'}${Math.abs(audit).toFixed(1)} % off`);
		}
		if (d.nr_throttled[i])
			lines.push(`throttled ${d.nr_throttled[i].toLocaleString('en')} times, ${duration(d.throttled_ns[i])}`);
		if (d.lost_samples[i])
			lines.push(`${d.lost_samples[i].toLocaleString('en')} samples lost`);
		return lines;
	}

	press(event) {
		if (event.button || !this.data)
			return;
		this.element.setPointerCapture(event.pointerId);
		this.from = event.offsetX;
	}

	move(event) {
		if (!this.data)
			return undefined;
		this.cursor = this.bucketAt(event.offsetX);
		if (this.from !== undefined && Math.abs(event.offsetX - this.from) > 3)
			this.selection = [this.msOf(this.from), this.msOf(event.offsetX)].sort((a, b) => a - b);
		if (this.cursor < 0 || this.cursor >= this.data.cpu_ns.length) {
			this.tip.hidden = true;
			return this.draw();
		}
		this.tip.replaceChildren(...this.lines(this.cursor).map((text, i) => element('div', { class: i ? 'detail' : 'name' }, text)));
		this.tip.hidden = false;
		const x = Math.min(event.clientX + 14, window.innerWidth - this.tip.offsetWidth - 8);
		this.tip.style.left = Math.max(x, 4) + 'px';
		this.tip.style.top = event.clientY + 18 + 'px';
		return this.draw();
	}

	release(event) {
		const dragged = this.from !== undefined && Math.abs(event.offsetX - this.from) > 3;

		if (this.from === undefined)
			return;
		this.from = undefined;
		if (dragged && this.selection[1] - this.selection[0] >= 1000)
			this.hooks.onSelect(this.selection);
		else if (this.selection)
			this.hooks.onSelect(null);
	}

	leave() {
		this.tip.hidden = true;
		if (this.from === undefined)
			this.cursor = -1;
		this.draw();
	}

	step(event, by) {
		const last = this.data.cpu_ns.length - 1;

		if (this.cursor < 0)
			this.cursor = by > 0 ? -1 : last + 1;
		const next = Math.min(Math.max(this.cursor + by, 0), last);
		if (event.shiftKey) {
			this.anchor = this.anchor === undefined ? Math.min(Math.max(this.cursor, 0), last) : this.anchor;
			const [a, b] = [this.anchor, next].sort((x, y) => x - y);
			const { buckets_from_ms: from, bucket_ms: step } = this.data;

			this.selection = [Math.max(from + a * step, this.begin), Math.min(from + (b + 1) * step, this.end)];
		} else {
			this.anchor = undefined;
		}
		this.cursor = next;
		this.text.textContent = this.lines(next).join(', ');
		this.draw();
	}

	key(event) {
		if (!this.data || event.ctrlKey || event.metaKey || event.altKey)
			return;
		const leap = Math.max(Math.round(this.data.cpu_ns.length / 20), 1);

		switch (event.key) {
		case 'ArrowLeft': this.step(event, -1); break;
		case 'ArrowRight': this.step(event, 1); break;
		case 'PageUp': this.step(event, -leap); break;
		case 'PageDown': this.step(event, leap); break;
		case 'Enter': if (this.selection) this.hooks.onZoom(...this.selection); break;
		case '+': if (this.selection) this.hooks.onZoom(...this.selection); break;
		case '-': this.hooks.onOut(); break;
		case 'Escape': this.anchor = undefined; this.hooks.onSelect(null); break;
		default: return;
		}
		event.preventDefault();
		event.stopPropagation();
		if (event.shiftKey && this.selection) {
			clearTimeout(this.settle); /* one question when the keys rest, not one for each */
			this.settle = setTimeout(() => this.hooks.onSelect(this.selection), 250);
		}
	}
}
