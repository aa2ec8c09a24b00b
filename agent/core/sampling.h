/*
 * Taking samples in: the rooms that `record` and `agent` have in common, put together.
 *
 * A record that the sampler hands out gets its owner, its files are opened and numbered, and it is added to the
 * window that is current. What becomes of windows is the caller's business.
 */
#ifndef FLEETPROF_CORE_SAMPLING_H
#define FLEETPROF_CORE_SAMPLING_H

#include "agent/core/jitmaps.h"
#include "agent/core/filter.h"
#include "agent/core/keeper.h"
#include "agent/core/loss.h"
#include "agent/core/names.h"
#include "agent/core/objects.h"
#include "agent/core/owners.h"
#include "agent/core/vmlinux.h"
#include "agent/core/window.h"

struct sampling_config {
	uint32_t rate_hz;
	uint64_t
		drain_interval_ns; /* between looks at the ring, unless a record asks for one at once */
	uint64_t ring_bytes; /* a power of two; 0: room for some intervals of every CPU's samples */
	size_t max_files;
	struct symdisk *symdisk; /* the caller's, as long as the sampling; NULL: none */
	bool late_maps; /* of generated code: jitmaps_new() */
	uint64_t memory_limit; /* divided by core/budget.h; 0: the default */
};

struct sampling {
	struct keeper *keeper; /* made by the caller, freed here */
	struct loop *loop;
	struct sampler *sampler;
	struct openclient *opener;
	struct symclient *symbolizer;
	struct table_source *tables;
	struct objects *objects;
	struct jitmaps *jitmaps;
	struct owners *owners;
	struct names *names;
	struct vmlinux *vmlinux;
	int kallsyms_fd, vdso_fd;
	struct loss
		loss; /* in_profile, refused and left_out are kept up to date, the rest is the caller's */
	const struct filter *filter; /* the caller's; NULL: everything is sampled */
	struct window *window; /* takes the samples; the caller's */
	/* A sample was taken into the window. May be NULL. */
	void (*on_taken)(uint32_t owner, const struct record_sample *head, void *userdata);
	/* A cgroup's path was learned: it is this owner's. May be NULL. */
	void (*on_cgroup)(uint32_t owner, uint64_t cgroup, const char *path, void *userdata);
	void *userdata;
};
#define SAMPLING_NULL ((struct sampling) { .kallsyms_fd = -1, .vdso_fd = -1 })

/*
 * Builds every part but the keeper and the window, and gives up privileges but those that sampling takes.
 * err says what failed and what to do.
 */
int sampling_prepare(struct sampling *s, const struct sampling_config *config, struct err *err);
void sampling_deinit(struct sampling *s);
DEFINE_CLEANUP_EMBEDDED(struct sampling, sampling_deinit)

/* Asks for names of the open window's containers, where they are missing or were asked for long ago. */
void sampling_refresh_names(struct sampling *s, uint64_t now_boot_ns);

/*
 * The filter has changed: from now on it is applied, to cgroups that are known, too. Their next records carry their
 * paths again; until then no sample is lost.
 */
void sampling_filter_changed(struct sampling *s);

/* The current window ends: what was idle for long gives its place back (files, owners, cgroups). */
void sampling_end_window(struct sampling *s);

/* Every file that is mapped anywhere keeps a descriptor: raises the limit as far as it goes. */
void sampling_raise_file_limit(void);

#endif
