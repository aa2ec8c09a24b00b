/* What is looked at, as it stands in the address' fragment. */

const SPANS = [['15 min', 900e3], ['1 h', 3600e3], ['6 h', 21600e3], ['24 h', 86400e3], ['7 d', 604800e3]];
const PATH_MAX = 1500; /* characters of a zoom's path: a longer one is left out of the address */

function freshState() {
	return { span: 3600e3, from: 0, to: 0, selection: null, owner: 0, compare: '', pin: null, tab: 'graph', search: '', path: [],
		flames: false };
}

function numbers(text, count) {
	const all = (text || '').split('-').map(Number);

	return all.length === count && all.every((n) => Number.isSafeInteger(n) && n >= 0) ? all : null;
}

/* What of the fragment makes sense; the rest is as in a fresh state. */
function readState(fragment) {
	const state = freshState(), parameters = new URLSearchParams(fragment.replace(/^#/, ''));
	const range = numbers(parameters.get('range'), 2), selection = numbers(parameters.get('sel'), 2);
	const pin = numbers(parameters.get('pin'), 3), span = Number(parameters.get('span'));

	if (range && range[0] < range[1])
		[state.span, state.from, state.to] = [0, ...range];
	else if (span >= 10e3 && span <= 31e9)
		state.span = span;
	if (selection && selection[0] < selection[1])
		state.selection = selection;
	if (pin && pin[0] < pin[1])
		state.pin = { from: pin[0], to: pin[1], owner: pin[2] };
	if (/^\d{1,15}$/.test(parameters.get('owner') || ''))
		state.owner = Number(parameters.get('owner'));
	if (/^(before|day|pin|owner-\d{1,15})$/.test(parameters.get('compare') || ''))
		state.compare = parameters.get('compare');
	if (TABS.some((tab) => tab.id === parameters.get('tab')))
		state.tab = parameters.get('tab');
	state.search = (parameters.get('q') || '').slice(0, 500);
	state.flames = parameters.get('flames') === '1';
	try {
		const path = JSON.parse(parameters.get('path') || '[]');

		state.path = Array.isArray(path) && path.every((name) => typeof name === 'string') ? path : [];
	} catch (error) {
		state.path = [];
	}
	return state;
}

function writeState(state) {
	const parameters = new URLSearchParams();
	const path = JSON.stringify(state.path);

	if (state.span)
		parameters.set('span', state.span);
	else
		parameters.set('range', `${state.from}-${state.to}`);
	if (state.selection)
		parameters.set('sel', state.selection.join('-'));
	if (state.owner)
		parameters.set('owner', state.owner);
	if (state.compare)
		parameters.set('compare', state.compare);
	if (state.pin)
		parameters.set('pin', `${state.pin.from}-${state.pin.to}-${state.pin.owner}`);
	if (state.tab !== 'graph')
		parameters.set('tab', state.tab);
	if (state.search)
		parameters.set('q', state.search);
	if (state.flames)
		parameters.set('flames', '1');
	if (state.path.length && path.length <= PATH_MAX)
		parameters.set('path', path);
	return parameters.toString();
}

function twoDigits(n) {
	return String(n).padStart(2, '0');
}

/* "14:05:09", with the day where it is not today's. */
function clockText(ms, withDay, withSeconds) {
	const d = new Date(ms);
	const time = `${twoDigits(d.getHours())}:${twoDigits(d.getMinutes())}` + (withSeconds ? ':' + twoDigits(d.getSeconds()) : '');

	return withDay ? `${d.getFullYear()}-${twoDigits(d.getMonth() + 1)}-${twoDigits(d.getDate())} ${time}` : time;
}

function rangeText(from, to) {
	const today = new Date().toDateString(), seconds = to - from < 600e3;
	const withDay = new Date(from).toDateString() !== today || new Date(to).toDateString() !== today;
	const sameDay = new Date(from).toDateString() === new Date(to).toDateString();

	return `${clockText(from, withDay, seconds)} – ${clockText(to, withDay && !sameDay, seconds)}`;
}
