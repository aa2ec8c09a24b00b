/*
 * Who may ask the page: the checks of a request's headers. Pure; foreign bytes (fuzzed: tests/fuzz/fuzz_web_guard.c).
 *
 * Loopback is no boundary: every local user, every container with the host's network, and every web page in the user's
 * browser can connect. So a page of elsewhere is kept out by Host (a name that somebody points at 127.0.0.1) and Origin, and
 * everybody by the token.
 */
#ifndef FLEETPROF_EXPORTER_WEB_GUARD_H
#define FLEETPROF_EXPORTER_WEB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#define WEB_HOSTS_MAX 8

struct web_hosts {
	/*
	 * The page listens beyond loopback: then any address may stand in Host, since only names can be pointed
	 * elsewhere. The port is never looked at: it is another one behind a tunnel, and Origin covers it.
	 */
	bool any_address;
	const char *names[WEB_HOSTS_MAX]; /* of the settings, beside localhost */
	size_t nr_names;
};

/* host: the header's value, NULL if there is none (which is refused). */
bool web_host_is_ours(const struct web_hosts *hosts, const char *host);

/* origin: the header's value; NULL: not from a script of another page, nothing to check. */
bool web_origin_is_ours(const char *origin, const char *host);

/* Sec-Fetch-Site: what the browser itself says of who asks; NULL: an old browser, or none. */
bool web_site_is_ours(const char *site);

/* authorization: "Bearer TOKEN"; compared in a time that tells nothing of the token. An empty token fits nothing. */
bool web_token_fits(const char *authorization, const char *token);

/* Whether Accept-Encoding allows gzip. */
bool web_accepts_gzip(const char *accept);

#endif
