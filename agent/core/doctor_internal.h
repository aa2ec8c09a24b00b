/*
 * What the files of the doctor share: its findings, and the files that it looks at.
 *
 * Paths are below a folder given at construction ("/", or a test's tree), so that every finding can be provoked.
 */
#ifndef FLEETPROF_CORE_DOCTOR_INTERNAL_H
#define FLEETPROF_CORE_DOCTOR_INTERNAL_H

#include "agent/base/buf.h"
#include "agent/core/config.h"

#include <stdbool.h>

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_WARN, /* works, with less */
	DOCTOR_FAIL, /* nothing can be sampled */
};

#define DOCTOR_FINDINGS_MAX 64
#define DOCTOR_TEXT_MAX 512

struct doctor_finding {
	enum doctor_state state;
	const char *name; /* "perf_event_paranoid"; static */
	char what[DOCTOR_TEXT_MAX]; /* a sentence */
	char advice[DOCTOR_TEXT_MAX]; /* what to do; "" if nothing */
};

struct doctor {
	int root_fd; /* paths are below it, without a slash in front */
	const struct config *config;
	struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
	size_t nr;
	bool seccomp_filter; /* one is active: it explains refused calls */
};

void doctor_add(struct doctor *d, enum doctor_state state, const char *name, const char *advice,
		const char *fmt, ...) _printf_(5, 6);
/* Tables. Both of foreign names too: escaped. */
int doctor_print(const struct doctor *d, size_t width, bool colour, struct buf *out);
int doctor_print_json(const struct doctor *d, struct buf *out);
int doctor_exit_status(const struct doctor *d);

/* The file's text without the last newline, cut at size; false if it cannot be read. */
bool doctor_read(const struct doctor *d, const char *path, char *ret, size_t size);
/* The number at the beginning of the file. */
bool doctor_read_number(const struct doctor *d, const char *path, int64_t *ret);

/* doctor_kernel.c: the kernel and what protects it. */
void doctor_kernel(struct doctor *d);
/* doctor_security.c: security modules, what they refused, namespaces. */
void doctor_security(struct doctor *d);
/* doctor_privileges.c: capabilities, which process needs which. */
void doctor_privileges(struct doctor *d);
/* doctor_host.c: cgroups, containers, runtimes, disk, clocks, helper programs. */
void doctor_host(struct doctor *d);
void doctor_programs(struct doctor *d);
/* doctor_sampling.c: the real programs loaded and run; what one interrupt costs. */
void doctor_sampling(struct doctor *d);
void doctor_interrupts(struct doctor *d);

#endif
