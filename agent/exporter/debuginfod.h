/*
 * debuginfod's client: fetches separate debug files by build ID from the servers of the settings, and keeps them on disk.
 *
 * The protocol is elfutils' (debuginfod(8), "WEBAPI"): GET URL/buildid/HEX/debuginfo. Nothing but build IDs leaves the
 * host, and only for the servers that are named; a redirect is no answer. Each request is bound in time and in bytes,
 * few are under way at once, and a build ID is asked for once, however many want it. What comes is not looked at here:
 * the symbolizer says whether it is the file.
 */
#ifndef FLEETPROF_EXPORTER_DEBUGINFOD_H
#define FLEETPROF_EXPORTER_DEBUGINFOD_H

#include "agent/base/buf.h"
#include "agent/exporter/debuginfod_plan.h"
#include "agent/exporter/sandbox.h"

#include <stdbool.h>

struct loop;
struct debuginfod;

#define DEBUGINFOD_PARALLEL_MAX 2
#define DEBUGINFOD_REQUESTS_MAX 256 /* that wait for an answer */
#define DEBUGINFOD_URL_MAX 4096

struct debuginfod_options {
	const char
		*urls[DEBUGINFOD_SERVERS_MAX]; /* in the order in which they are asked; checked */
	size_t nr_urls; /* 0: off */
	uint64_t max_size; /* bytes of one file */
	uint64_t timeout_ns; /* of one request, from the first packet to the last byte */
	uint64_t cache_size; /* bytes of all files */
};

/* http(s)://HOST[:PORT][/PATH], without credentials. 0, or -EINVAL with err set. */
int debuginfod_check_url(const char *url, struct err *err);

/* fd: of what may be the file, the callee's; or error as of WINWIRE_DEBUG_FILE. */
typedef void (*debuginfod_answer_fn)(uint64_t number, int fd, int error, void *userdata);

struct debuginfod_config {
	const struct debuginfod_options *options; /* lives as long as this */
	const char *dir; /* for the cache */
	unsigned int min_free_percent; /* of the disk */
	debuginfod_answer_fn answer;
	void *userdata;
};

/* Once the process is whom it stays, and before it is confined. */
int debuginfod_new(struct debuginfod **ret, struct loop *loop,
		   const struct debuginfod_config *config, struct err *err);
/* What is under way is given up without an answer. */
struct debuginfod *debuginfod_free(struct debuginfod *d);
DEFINE_CLEANUP(struct debuginfod *, debuginfod_free)

/* Adds the servers' ports. 0 or -ENOSPC. */
int debuginfod_confine(const struct debuginfod *d, struct exportersandbox *sandbox);

/* Answered once, maybe within the call. */
void debuginfod_ask(struct debuginfod *d, uint64_t number, const uint8_t *build_id, size_t len);
/* What was given for this build ID is not its debug file: it is thrown away, and its server not asked for it again. */
void debuginfod_bad(struct debuginfod *d, const uint8_t *build_id, size_t len);

/* Adds metric families, text format 0.0.4. */
void debuginfod_write_metrics(const struct debuginfod *d, struct buf *out);

#endif
