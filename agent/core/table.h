/*
 * Lines and columns in a terminal, into a buffer.
 *
 * A foreign name is always the last thing on its line (it may run from right to left), is escaped, and loses its middle
 * where the line ends.
 */
#ifndef FLEETPROF_CORE_TABLE_H
#define FLEETPROF_CORE_TABLE_H

#include "agent/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	struct buf *out;
	size_t width; /* columns; TEXT_NO_LIMIT: nothing is cut */
	bool colour;
};

/* Select Graphic Rendition, "0" back to normal; nothing without colour. */
void table_style(struct table *t, const char *sgr);
void table_heading(struct table *t, const char *text);
/* printf, ASCII only: returns the columns taken. */
size_t table_columns(struct table *t, const char *fmt, ...) _printf_(2, 3);
/* The rest of a line that has used `used` columns, and the end of its style. */
void table_finish(struct table *t, const char *name, size_t used);

/* 1234567 → "1,234,567" */
const char *table_grouped(uint64_t n, char out[32]);
/* Percent; 0 of nothing. */
double table_share(int64_t part, int64_t whole);

/* Columns of the terminal at standard output, or fallback where there is none. */
size_t table_terminal_width(size_t fallback);

#endif
