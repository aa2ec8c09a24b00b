/*
 * The two kinds of errors, and the sentence for a person.
 *
 * A function that can fail returns int: negative is -errno and goes up unchanged; 0 is success;
 * positive is an outcome that the function's header names (FOO_E_GONE) and that the caller handles.
 * Functions whose failure a person will read also take a struct err, and fill it where the cause is
 * known: what failed, on what, why, and what to do.
 */
#ifndef FLEETPROF_BASE_ERR_H
#define FLEETPROF_BASE_ERR_H

#include "agent/base/cleanup.h"

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX]; /* one sentence or a few, no newline at the end; "" if unset */
};
#define ERR_NULL ((struct err) { .text = "" })

/* Formats into e (which may be NULL) and returns r, so that `return err_set(e, -EINVAL, …)` reads well. */
int err_set(struct err *e, int r, const char *fmt, ...) _printf_(3, 4);

/* As err_set(), and appends ": " and the description of r, which is a negative errno. */
int err_errno(struct err *e, int r, const char *fmt, ...) _printf_(3, 4);

/* -errno, never 0: a failing call that left errno at 0 becomes -ENOTRECOVERABLE. */
int err_last(void);

/* Description of a negative errno; a static or thread-local string. */
const char *err_str(int r);

#endif
