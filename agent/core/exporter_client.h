/*
 * The core's end of the exporter: hands closed windows over and keeps each until it is on disk.
 *
 * At most EXPORTERCLIENT_UNACKNOWLEDGED windows wait for their answer; a further one is refused and counted, so that a
 * stuck disk never costs memory. An exporter that dies is started again after a pause (0.2 s, doubled up to
 * 10 s) and is sent what it had not acknowledged; that it may see a window twice is harmless. One that does not end
 * when its socket closes is replaced after 10 s, and the keeper kills it then.
 *
 * Wire format: proto/winwire.h.
 */
#ifndef FLEETPROF_CORE_EXPORTER_CLIENT_H
#define FLEETPROF_CORE_EXPORTER_CLIENT_H

#include "agent/base/err.h"
#include "agent/base/helper.h"
#include "proto/winwire.h"

#include <stdbool.h>
#include <stdint.h>

#define EXPORTERCLIENT_UNACKNOWLEDGED 3

struct exporterclient;

struct exporterclient_config {
	helper_spawn_fn spawn; /* see agent/base/helper.h; it gives up its privileges itself */
	void *spawn_userdata;
	/* What the page's users must show; copied. NULL: no page. */
	const char *token;
	/* The page listens at "127.0.0.1:7380", or nowhere (""): after each start, and when it changes. May be NULL. */
	void (*on_address)(const char *address, void *userdata);
	/* It ended, or we hung up on it; ready says whether it ever was, restart that we wanted it. May be NULL. */
	void (*on_down)(bool ready, bool restart, void *userdata);
	/* Somebody watches the page (close windows at 10 s), or does not any more. May be NULL. */
	void (*on_watch)(bool watched, void *userdata);
	/* It takes messages from now on. May be NULL. */
	void (*on_ready)(void *userdata);
	/* The answer to exporterclient_ask_debug(); fd is the callee's, -1 without. May be NULL. */
	void (*on_debug_file)(uint64_t number, int error, int fd, void *userdata);
	/* A window was stored (error 0) or refused for good. May be NULL. */
	void (*on_answer)(uint64_t number, int error, void *userdata);
	void *userdata;
};

int exporterclient_new(struct exporterclient **ret, struct loop *loop,
		       const struct exporterclient_config *config, struct err *err);
/* Closes the socket, upon which the exporter ends; it is not waited for. */
struct exporterclient *exporterclient_free(struct exporterclient *client);
DEFINE_CLEANUP(struct exporterclient *, exporterclient_free)

/*
 * Ends the exporter and starts another at once, with the arguments that it then gets; nothing is lost, since what is
 * not acknowledged is sent to the new one.
 */
int exporterclient_restart(struct exporterclient *client);

/* For accounting; 0 while it is down. */
int exporterclient_pid(const struct exporterclient *client);

enum { EXPORTERCLIENT_E_LOST = 1 };
/*
 * Hands a window over. body_fd: a sealed memfd with winwire_put_body()'s bytes; consumed, on failure too.
 * 0: it is kept until it is answered; EXPORTERCLIENT_E_LOST: too many wait, it is dropped and counted; or -errno.
 */
int exporterclient_send(struct exporterclient *client, const struct winwire_header *header,
			int body_fd);

/* The core's own metrics, Prometheus text format, at most 60 KiB. Dropped while the exporter is down. */
int exporterclient_metrics(struct exporterclient *client, const char *text);

/* For the debug file of a build ID; see WINWIRE_DEBUG_ASK. 0, or -errno: not now. */
int exporterclient_ask_debug(struct exporterclient *client, uint64_t number,
			     const uint8_t *build_id, size_t len);
/* What came for it is not its debug file. Dropped while the exporter is down. */
void exporterclient_bad_debug(struct exporterclient *client, const uint8_t *build_id, size_t len);

struct exporterclient_counts {
	uint64_t sent; /* windows that came in by exporterclient_send() */
	uint64_t stored, refused, lost; /* sent = stored + refused + lost + waiting */
	uint64_t waiting;
	uint64_t restarts;
};
void exporterclient_counts(const struct exporterclient *client, struct exporterclient_counts *ret);

#endif
