/*
 * HTTP for uploads: one request at a time on one kept connection per back end, bound as http.h says.
 *
 * No proxy but the configured one, replies bounded. Secrets are read from their files again when those change.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_HTTP_H
#define FLEETPROF_EXPORTER_UPLOAD_HTTP_H

#include "agent/exporter/http.h"
#include "agent/exporter/upload_answer.h"
#include "agent/exporter/upload_config.h"
#include "agent/exporter/upload_secret.h"

struct uploadhttp_secrets {
	struct uploadsecret password, token, headers, ca, cert, key;
};
/* Reads all files that a configuration names. 0, or a negative errno with err set; deinit in any case. */
int uploadhttp_secrets_load(struct uploadhttp_secrets *s, const struct upload_config *config,
			    struct err *err);
void uploadhttp_secrets_deinit(struct uploadhttp_secrets *s);

/* Called once per request, from the loop. */
typedef void (*uploadhttp_done_fn)(const struct uploadanswer *answer, void *userdata);

struct uploadhttp_peer;
/* config and secrets live as long as the peer. */
int uploadhttp_peer_new(struct uploadhttp_peer **ret, struct http *h,
			const struct upload_config *config, struct uploadhttp_secrets *secrets,
			uploadhttp_done_fn done, void *userdata);
/* A request under way is given up without a call. */
struct uploadhttp_peer *uploadhttp_peer_free(struct uploadhttp_peer *peer);
DEFINE_CLEANUP(struct uploadhttp_peer *, uploadhttp_peer_free)

/* body: lives until it is done. 0 or a negative errno, and then done is not called. */
int uploadhttp_post(struct uploadhttp_peer *peer, const void *body, size_t len);

#endif
