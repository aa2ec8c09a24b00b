/* A growable byte buffer that is born with a maximum, after curl's dynbuf. */
#ifndef FLEETPROF_BASE_BUF_H
#define FLEETPROF_BASE_BUF_H

#include "agent/base/cleanup.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
	char *data; /* always NUL-terminated behind len once anything was added */
	size_t len; /* bytes in use */
	size_t size; /* bytes allocated */
	size_t max; /* len never exceeds this */
	int error; /* the first failure, sticky: -ENOSPC at the maximum, -ENOMEM */
};
#define BUF_NULL ((struct buf) { .data = NULL })

/* max: the most bytes that the buffer may ever hold, without the terminating NUL. */
void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b);
DEFINE_CLEANUP_EMBEDDED(struct buf, buf_deinit)

/* Empties the buffer, keeps its memory, clears the error. */
void buf_reset(struct buf *b);

/*
 * Each adds bytes and returns 0, -ENOSPC or -ENOMEM; after a failure nothing more is added and
 * b->error stays, so a writer may check once at the end.
 */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_addc(struct buf *b, char c);
int buf_adds(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
int buf_vaddf(struct buf *b, const char *fmt, va_list ap);

/* Adds len bytes to be filled by the caller; NULL on failure. */
void *buf_grow(struct buf *b, size_t len);

/* The contents as a string ("" when empty); owned by the buffer. */
const char *buf_str(const struct buf *b);

/* Hands the memory over (to be freed by the caller) and leaves an empty buffer. */
char *buf_take(struct buf *b);

#endif
