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
	struct hashmap *by_id; /* uint32_t → struct object *, views included */
	struct hashmap *views; /* objects_views.c */
	size_t max;
	uint32_t last_id;
	uint64_t window; /* number of the one that has not ended; from 1 */
	uint64_t refused, mismatches, forgotten, hashed, not_hashed, recalled, wrong_debug_files;
	uint64_t less_inlines, less_lines, less_functions;
	uint64_t hash_bytes; /* asked for in this window */
	struct supplements_counts supplements;
	struct roots *roots;
	size_t new_roots; /* in this window */
	uint64_t roots_passed_over;
};

/* A new object, or view to be; NULL: there is no place for it. */
struct object *objects_add(struct objects *objects, const struct rec_map *identity, uint64_t owner);

/* -- objects_views.c -- */

int objects_views_init(struct objects *objects);
void objects_set_root(struct object *object, const struct root_key *key);
struct root_key objects_root_of(const struct record_sample *head);
/* The object itself, or its view, for the root of a sample; NULL: there is no place for one. */
struct object *objects_view(struct object *base, const struct record_sample *head, uint64_t owner);
/* Its views know what it knows of its file. */
void objects_views_follow(struct object *base);
void objects_views_forget(struct object *view);

/* Are these, of one file, named by the same files? */
bool objects_have_same_names(const struct object *a, const struct object *b);
/* The first of those of its file that have the same names as this one. */
const struct object *objects_first_of_names(const struct object *object);
/* Call frames of a debug file are for every process of the program, whatever its root: only if it is everybody's. */
void objects_settle_table(struct object *base);

/* -- objects_debug.c -- */

/* A number that no file and nothing else has; 0: all are used up. */
uint32_t objects_new_id(struct objects *objects);
/* The window from which on to ask again for what elsewhere was not to be had, for this errno. */
uint64_t objects_remote_window(const struct objects *objects, int error);
/* Looks for its debug file, if that is not done or under way. */
void objects_debug_start(struct object *object);
/* A window ends: what could not be had is asked for again, as often as it makes sense. */
void objects_debug_again(struct object *object);

/* -- objects_alt.c -- */

/* A supplements_missing_fn, of an object. */
void objects_alt_is_missing(const struct symbolizer_want *want, void *userdata);
/* A window ends. */
void objects_alt_again(struct object *object);

/*
 * objects_content.c. The file's identity is known, and its separate debug file is no longer searched for: they are
 * hashed where that may pay.
 */
void objects_content_settle(struct object *object);
/* It goes: who had its content from it has it from the next. */
void objects_content_forget(struct object *object);

#endif
