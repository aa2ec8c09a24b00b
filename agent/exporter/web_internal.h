/* What the server's files share. */
#ifndef FLEETPROF_EXPORTER_WEB_INTERNAL_H
#define FLEETPROF_EXPORTER_WEB_INTERNAL_H

#include "agent/exporter/web.h"
#include "agent/exporter/web_guard.h"
#include "agent/exporter/web_query.h"
#include "proto/winwire.h"

#include <microhttpd.h>

enum web_door { WEB_PAGE, WEB_METRICS, WEB_DOORS };

/* An address that is listened on. */
struct web_listener {
	struct web *web;
	enum web_door door;
	int fd;
	struct MHD_Daemon *daemon;
	struct loop_source *source;
	char address[80];
	bool complained; /* that it cannot listen: once is enough */
};

/* A connection; MHD's socket context. */
struct web_client {
	struct web_client *prev, *next; /* oldest first */
	int fd;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC: then it is cut off */
	bool trusted; /* has shown the token */
};

enum web_state {
	WEB_HEAD, /* its headers are being read */
	WEB_ASKED, /* they are there */
	WEB_WAITING, /* suspended, its query is in the list */
	WEB_ANSWERED,
};

/* A request, from its first line until the answer is sent; MHD's request context. */
struct web_request {
	struct web_request *prev, *next; /* of the queries under way */
	struct web_listener *listener;
	struct MHD_Connection *connection;
	struct web_query *query;
	enum web_state state;
	bool started; /* the query: a heavy one may have to wait for others */
	int result; /* of the query, once it is done */
	uint64_t deadline_ns;
	const char *type; /* of the query's answer */
	char *uri; /* as it came, with the query string */
};

struct web_counts {
	uint64_t connections, cut; /* accepted; closed by us at a deadline or for want of room */
	uint64_t requests[600]; /* by status */
	uint64_t queries, cancelled; /* begun; whose client went away */
	uint64_t step_max_ns; /* the longest that a step held the loop */
};

struct web {
	struct web_config config;
	struct loop *loop;
	struct web_listener listeners[WEB_DOORS];
	struct web_hosts hosts;
	char token[WINWIRE_TOKEN_MAX + 1];
	struct loop_source *pump, *work, *sweep, *retry;
	struct web_client *first_client, *last_client;
	size_t nr_clients;
	struct web_request *first_query, *last_query;
	size_t nr_queries, nr_heavy;
	bool watched;
	uint64_t watch_end_ns;
	struct buf page, page_gzip;
	char etag[24];
	struct web_counts counts;
};

/* MHD's callback for each part of a request. */
enum MHD_Result web_on_request(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **context);

/* The page as it is sent, made once, and what it may do (Content-Security-Policy). */
int web_make_page(struct web *web);
extern const char web_page_policy[];

enum web_phase { WEB_PHASE_ANSWER, WEB_PHASE_QUERY, WEB_PHASE_IDLE };
/* A new deadline for the request's connection. */
void web_extend(struct web_request *request, enum web_phase phase);

/* The request has shown the token: its connection is among the last to give way. */
void web_trust(struct web_request *request);

/* A query into the list, and out of it. */
void web_enqueue(struct web *web, struct web_request *request);
void web_dequeue(struct web *web, struct web_request *request);

/* Somebody asked: they watch. */
void web_watch(struct web *web);

/* /metrics, all of it. */
int web_write_metrics(struct web *web, struct buf *out);
/* /api/v1/status */
int web_write_status(struct web *web, struct buf *out);

#endif
