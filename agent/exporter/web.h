/*
 * The exporter's HTTP server: the page, its API (web_api.h), metrics and health.
 *
 * libmicrohttpd on our own loop, one thread. A question to the store is answered in steps of some milliseconds while its
 * connection is suspended, so that windows are stored whatever is asked. Bounds: WEB_… below; who reaches one is told so
 * (429), or cut off, and counted.
 */
#ifndef FLEETPROF_EXPORTER_WEB_H
#define FLEETPROF_EXPORTER_WEB_H

#include "agent/base/loop.h"
#include "agent/exporter/store.h"

#include <stdbool.h>

#define WEB_CONNECTIONS_MAX                                                                        \
	96 /* beyond, those that have not shown the token give way, oldest first */
#define WEB_CONNECTION_BYTES (24u << 10) /* a request's head and its answer's; above: 431 */
#define WEB_QUERIES_MAX 16 /* questions under way; above: 429 */
#define WEB_HEAVY_MAX 2 /* of them, that merge profiles at the same time; others wait */
#define WEB_WATCH_NS 30000000000ull /* after the last question, somebody still watches */

struct web;

struct web_config {
	struct store *store;
	const char *
		listen; /* ADDRESS:PORT of the page; NULL: no page. 127.0.0.1:4344, [::1]:0, localhost:80 */
	const char *
		metrics_listen; /* as well, for metrics and health alone, under any Host; NULL: none */
	const char *const
		*hosts; /* further names that Host may have; they live as long as the server */
	size_t nr_hosts; /* at most WEB_HOSTS_MAX */
	/* Somebody asks (true), or has not for WEB_WATCH_NS. */
	void (*on_watch)(bool watched, void *userdata);
	/* The page listens elsewhere than web_start() said: it could not at first, and now does. */
	void (*on_address)(const char *address, void *userdata);
	/* Adds metric families (text format 0.0.4) behind our own. */
	void (*write_metrics)(struct buf *out, void *userdata);
	/* Adds the elements of status' "upload", JSON with commas in between. */
	void (*write_uploads)(struct buf *out, void *userdata);
	/* NULL: windows come and the store takes them; else why not. */
	const char *(*not_ready)(void *userdata);
	void *userdata; /* of all of them; each may be NULL */
};

int web_new(struct web **ret, struct loop *loop, const struct web_config *config);
struct web *web_free(struct web *web);
DEFINE_CLEANUP(struct web *, web_free)

/*
 * Begins to listen, with this token ("": no page, metrics and health only). Returns the page's address,
 * "127.0.0.1:4344", or "" where it does not listen: it is said why, and tried again.
 */
const char *web_start(struct web *web, const char *token);

#endif
