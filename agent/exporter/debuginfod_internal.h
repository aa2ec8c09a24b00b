/* What the files of debuginfod's client share. */
#ifndef FLEETPROF_EXPORTER_DEBUGINFOD_INTERNAL_H
#define FLEETPROF_EXPORTER_DEBUGINFOD_INTERNAL_H

#include "agent/exporter/debuginfod.h"
#include "agent/exporter/http.h"

/* How a request to a server ended. */
enum debuginfod_outcome {
	DEBUGINFOD_FETCHED, /* the file stands in the cache */
	DEBUGINFOD_MISSING, /* the server does not have it, or it is empty */
	DEBUGINFOD_REDIRECTED, /* … or has it elsewhere, where we do not go */
	DEBUGINFOD_TOO_SLOW, /* it came, but not within the time: the file is too large for the way */
	DEBUGINFOD_TOO_LARGE,
	DEBUGINFOD_FAILED, /* no server, no answer, no whole answer, or one that says that it failed */
	DEBUGINFOD_NO_ROOM, /* the fault is ours: the cache is full of files in use, or the disk of others */
	DEBUGINFOD_OUTCOMES
};

struct debuginfod_fetch {
	struct http_transfer transfer;
	const struct debuginfod_options *options;
	struct debuginfod_id id;
	size_t server;
	struct debuginfod_file *file;
	uint64_t started_ns, discarded;
	int error; /* of writing the file */
	bool too_large;
	bool busy; /* between the start and finished() */
	/* fd: of debuginfodcache_commit(), the callee's, for DEBUGINFOD_FETCHED; else -1 */
	void (*finished)(struct debuginfod_fetch *f, enum debuginfod_outcome outcome, int fd);
	void *userdata;
};

/* 0 or -errno, and then finished() does not come. */
int debuginfodfetch_start(struct debuginfod_fetch *f, struct http *http,
			  struct debuginfod_cache *cache, const struct debuginfod_id *id,
			  size_t server);
void debuginfodfetch_deinit(struct debuginfod_fetch *f);
/* What has come of the body. */
uint64_t debuginfodfetch_received(const struct debuginfod_fetch *f);
/* Seconds that the server asks to be left alone, or 0. */
uint64_t debuginfodfetch_wait_ns(const struct debuginfod_fetch *f);

struct debuginfod_request {
	uint64_t number;
	struct debuginfod_id id;
};

struct debuginfod_counts {
	uint64_t asked; /* = cached + Σ answers + waiting */
	uint64_t cached; /* answered from the disk */
	uint64_t fetched, missing, too_large, later; /* answered otherwise */
	uint64_t requests; /* to servers = Σ outcomes + under way */
	uint64_t outcomes[DEBUGINFOD_OUTCOMES];
	uint64_t received; /* bytes */
	uint64_t bad;
};

struct debuginfod {
	struct debuginfod_config config;
	struct http *http;
	struct debuginfod_cache *cache;
	struct debuginfod_plan plan;
	struct debuginfod_fetch fetches[DEBUGINFOD_PARALLEL_MAX];
	struct debuginfod_request requests[DEBUGINFOD_REQUESTS_MAX]; /* oldest first */
	size_t nr_requests;
	struct debuginfod_counts counts;
};

#endif
