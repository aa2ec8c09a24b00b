/*
 * A file with a secret (a password, a token, a key), or a certificate: read while we may, and again when it changes.
 *
 * The first reading happens before privileges are given up; if a later one is not permitted any more, what was read stays
 * in use, and that is said once. What is read never reaches a log, an argument or a URL.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_SECRET_H
#define FLEETPROF_EXPORTER_UPLOAD_SECRET_H

#include "agent/base/buf.h"
#include "agent/base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

#define UPLOADSECRET_MAX (1u << 20)

struct uploadsecret {
	const char *path; /* NULL: there is none; not owned */
	struct buf data; /* without the newlines at its end */
	struct stat stat; /* of what was read */
	bool warned;
};

/* 0 or a negative errno with err set. path may be NULL. */
int uploadsecret_load(struct uploadsecret *s, const char *path, struct err *err);
void uploadsecret_deinit(struct uploadsecret *s);

/* Reads it again if it changed. */
void uploadsecret_refresh(struct uploadsecret *s);

#endif
