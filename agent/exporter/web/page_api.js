/* Asking the exporter, and the token that it wants to see. */

const TOKEN_KEY = 'fleetprof.token';

/*
 * The token comes in the address' fragment, which no server sees, and leaves it at once, so that a copied address does not
 * carry it. It stays with this origin, for a permalink that is opened later.
 */
const token = {
	value: localStorage.getItem(TOKEN_KEY) || '',

	keep(value) {
		this.value = value;
		localStorage.setItem(TOKEN_KEY, value);
	},

	/* From what somebody pastes: the token itself, or an address with it: …/#TOKEN, or …/#token=TOKEN&…. */
	parse(text) {
		const found = /token=([0-9A-Za-z_-]{8,128})/.exec(text) || /(?:^|#)\s*([0-9A-Za-z_-]{8,128})\s*$/.exec(text);

		return found ? found[1] : '';
	},
};

class ApiError extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

async function ask(path, parameters, signal) {
	const query = new URLSearchParams(parameters).toString();
	let answer;

	try {
		answer = await fetch(`/api/v1/${path}${query ? '?' + query : ''}`, { signal, cache: 'no-store', redirect: 'error',
			credentials: 'omit', headers: { Authorization: 'Bearer ' + token.value } });
	} catch (error) {
		if (error.name === 'AbortError')
			throw error;
		throw new ApiError(0, 'The agent does not answer. Is it running?');
	}
	if (answer.ok)
		return answer;
	const text = await answer.text();
	let message = text;
	try {
		message = JSON.parse(text).error;
	} catch (error) {
		message = text.slice(0, 200);
	}
	throw new ApiError(answer.status, message || `the agent answered ${answer.status}`);
}

async function askJson(path, parameters, signal) {
	return (await ask(path, parameters, signal)).json();
}

async function download(path, parameters, name) {
	const blob = await (await ask(path, parameters)).blob();
	const url = URL.createObjectURL(blob);
	const link = element('a', { href: url, download: name });

	link.click();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
}
