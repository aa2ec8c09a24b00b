/*
 * The exporter's end of the hand-over: takes windows from the core, stores each, answers when it is on disk.
 *
 * Wire format: proto/winwire.h. The socket is the core's; when it closes, the exporter's work is done.
 */
#ifndef FLEETPROF_EXPORTER_HANDOVER_H
#define FLEETPROF_EXPORTER_HANDOVER_H

#include "agent/base/loop.h"
#include "agent/exporter/store.h"

struct handover;

struct handover_config {
	int socket; /* SOCK_SEQPACKET; consumed */
	struct store *store;
	/*
	 * The core said hello and brought the page's token (valid during the call, "": no page). Returns the
	 * address where the page listens, "" for nowhere. May be NULL.
	 */
	const char *(*on_hello)(const char *token, void *userdata);
	/* A window was stored (and was not there before as far as we know). May be NULL. */
	void (*on_stored)(const struct winwire_header *header, void *userdata);
	/*
	 * The core wants the debug file of a build ID, to be answered by handover_debug_file(); or found that what it got is
	 * not that. NULL: there is none to be had.
	 */
	void (*on_debug_ask)(uint64_t number, const uint8_t *build_id, size_t len, void *userdata);
	void (*on_debug_bad)(const uint8_t *build_id, size_t len, void *userdata);
	void *userdata;
};

int handover_new(struct handover **ret, struct loop *loop, const struct handover_config *config);
struct handover *handover_free(struct handover *h);
DEFINE_CLEANUP(struct handover *, handover_free)

/* Tells the core where the page listens, when that has changed after on_hello(). */
int handover_listening(struct handover *h, const char *address);

/* Tells the core whether somebody watches; told only when it changes. */
int handover_watch(struct handover *h, bool watched);

/* The answer to on_debug_ask(): a descriptor, consumed, or the error. 0 or -errno. */
int handover_debug_file(struct handover *h, uint64_t number, int fd, int error);

/* Adds what is counted, and the core's last metrics: families in Prometheus' text format 0.0.4. */
void handover_write_metrics(const struct handover *h, struct buf *out);

#endif
