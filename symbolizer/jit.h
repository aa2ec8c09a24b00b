/*
 * Names of generated code, from the files that runtimes write of it. Library-private.
 *
 * The wanted addresses are few and the files are large: a reader goes through its file once, offers every range in
 * the file's order, and a later one replaces an earlier one. Memory is that of the wanted addresses.
 */
#ifndef FLEETPROF_SYMBOLIZER_JIT_H
#define FLEETPROF_SYMBOLIZER_JIT_H

#include "symbolizer/symbolizer.h"

struct jit_hit {
	const char *name; /* in the file's bytes, not terminated; NULL: none */
	size_t name_len;
	uint64_t start, size;
	enum symbolizer_source source;
	const void *lines; /* the jitdump reader's own */
	size_t lines_size, nr_lines;
	uint64_t code; /* its number in a jitdump; */
	bool moved; /* … known by that only: the name is still to be found */
};

struct jit_names {
	const uint64_t *addresses; /* ascending */
	size_t nr;
	struct jit_hit *hits; /* one for each address */
};

/* Code at [start, start + size) of hit is called so, from now on. Returns the number of wanted addresses in it. */
size_t jit_names_offer(struct jit_names *names, const struct jit_hit *hit);

/* perf map: lines of "START SIZE NAME", numbers in hexadecimal. A last line without its end is being written. */
void perfmap_read(struct jit_names *names, const char *text, size_t size);

/*
 * What a runtime's name for a function means: V8 writes "JS:*name /path/file.js:3:14", CPython
 * "py::name:/path/file.py". Fills name (without the marks of
 * the compiler's tier), file, line and start_line; what is not understood is left as it is. text is changed.
 */
void perfmap_split_name(char *text, struct symbolizer_frame *ret);

/*
 * jitdump: a record that makes no sense, or is being written, ends the reading. Records of another process than the
 * header's, a forked child that goes on writing, are passed over.
 */
bool jitdump_is(const void *data, size_t size);
void jitdump_read(struct jit_names *names, const void *data, size_t size);

/* The source line of address in a hit of jitdump_read(), into file (in the file's bytes) and line, if it is known. */
void jitdump_line(const struct jit_hit *hit, uint64_t address, struct symbolizer_frame *ret);

#endif
