/* Shared by the files of objects: the table itself, and what is known of the files' content. */
#ifndef FLEETPROF_CORE_OBJECTS_INTERNAL_H
#define FLEETPROF_CORE_OBJECTS_INTERNAL_H

#include "agent/base/hashmap.h"
#include "agent/core/objects.h"

struct identity_key {
	uint64_t ino, ctime_ns, size;
	uint32_t dev, gen;
};

struct objects {
	struct sampler *sampler;
	struct openclient *opener;
	struct symclient *symbolizer;
	struct table_source *tables;
	struct symdisk *disk; /* NULL: none */
	struct remotedebug *remote; /* NULL: off */
	struct hashmap *by_identity; /* struct identity_key → struct object * */
	struct hashmap *by_id; /* uint32_t → struct object * */
	size_t max;
	uint32_t last_id;
	uint64_t window; /* number of the one that has not ended; from 1 */
	uint64_t refused, mismatches, forgotten, hashed, not_hashed, recalled, wrong_debug_files;
	uint64_t less_inlines, less_lines, less_functions;
	uint64_t hash_bytes; /* asked for in this window */
	struct supplements_counts supplements;
	struct roots *roots;
};

/*
 * objects_content.c. The file's identity is known, and its separate debug file is no longer searched for: they are
 * hashed where that may pay.
 */
void objects_content_settle(struct object *object);
/* It goes: who had its content from it has it from the next. */
void objects_content_forget(struct object *object);

#endif
