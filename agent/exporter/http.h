/*
 * HTTP for whoever in the exporter talks to the world: libcurl's multi interface on our loop, and what every request is
 * bound to.
 *
 * HTTP/1.1; http and https only, no redirect is followed, no proxy of the environment's, TLS 1.2 and up. The types are
 * libcurl's; only the files that include this one may use it.
 */
#ifndef FLEETPROF_EXPORTER_HTTP_H
#define FLEETPROF_EXPORTER_HTTP_H

#include "agent/base/loop.h"

#include <curl/curl.h>

struct http;

/* Once per process at least, while it has one thread: libcurl and its libraries read their configuration. */
int http_global_init(void);

int http_new(struct http **ret, struct loop *loop);
/* After its transfers. */
struct http *http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free)

/* The calls by which libcurl says no: out of memory, or a build that lacks what we ask for. 0, -ENOMEM or -ENOTSUP. */
int http_error(CURLcode code);

/* One request at a time, embedded in its owner. */
struct http_transfer {
	CURL *easy;
	/* It ended, from the loop; may begin another, or deinit this one. */
	void (*done)(struct http_transfer *t, CURLcode code);
	struct http *http; /* while it is under way */
};

/* A handle that is bound as above; proxy: NULL for none. 0 or -errno; deinit it in both cases. */
int http_transfer_init(struct http_transfer *t, const char *proxy);
/* One that is under way is given up without a call. */
void http_transfer_deinit(struct http_transfer *t);

/* 0 or -ENOMEM, and then done is not called. */
int http_start(struct http *h, struct http_transfer *t);

/* The last value of a header of the answer; "" without. Valid until the next request. */
const char *http_header(struct http_transfer *t, const char *name);

#endif
