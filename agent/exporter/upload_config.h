/*
 * What one back end is, and how much it may be given: the parts of --upload.
 *
 * Secrets are named by file, never written here: what stands on a command line is for all the host to read.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_CONFIG_H
#define FLEETPROF_EXPORTER_UPLOAD_CONFIG_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_MAX_BACKENDS 8
#define UPLOAD_MAX_HEADERS 8
#define UPLOAD_PPM 1000000u

struct upload_config {
	char *name; /* in metrics and messages; names the cursor, so that it survives a change of URL */
	char *url; /* base: http(s)://HOST[:PORT][/PATH], without credentials or a slash at the end */
	char *host; /* of the URL */
	uint16_t port; /* to connect to: of the proxy, if there is one */
	bool tls;
	char *proxy; /* "": none, whatever the environment says */

	char *username, *password_file; /* basic */
	char *token_file; /* bearer */
	char *tenant; /* X-Scope-OrgID */
	char *headers[UPLOAD_MAX_HEADERS]; /* "Name: value" */
	size_t nr_headers;
	char *header_file; /* more of them, one a line: for those that are secret */
	char *ca_file, *cert_file, *key_file; /* PEM */

	uint64_t max_age_ns; /* older windows are given up */
	uint64_t timeout_ns; /* of one request */
	uint64_t retry_max_ns; /* pause after failures, at most */
	uint64_t catchup_delay_ns; /* at most, before old windows are sent: a random part of it */
	uint32_t catchup; /* times real time, the windows that come meanwhile included */
	uint32_t bytes_per_s, requests_per_s;
	uint32_t fraction_ppm; /* of the windows, in millionths */
	uint32_t max_samples, max_bytes; /* of one profile, uncompressed */
};

/* "Name: value", a line of header-file or a header=. */
bool upload_config_is_header(const char *line);

/* Parses "type=pyroscope,url=…". 0 or -EINVAL with err set; deinit it in both cases. */
int upload_config_parse(struct upload_config *c, const char *text, struct err *err);
void upload_config_deinit(struct upload_config *c);

#endif
