/*
 * The slabs' room, and the placing of checked images in it: groups where there is room, the directory last.
 *
 * Images that are equal, byte by byte, are placed once: copies of one library in many containers, whose images were each
 * built from the container's own file, take the room of one. Nobody has to be believed for that, and a copy that changes
 * later has another image.
 *
 * What is retired may still be read by a program that runs; it comes free with the grace period that is asked for then.
 */
#ifndef FLEETPROF_CORE_TABLES_ROOM_H
#define FLEETPROF_CORE_TABLES_ROOM_H

#include "agent/core/sampler_tables.h"

#include <stdbool.h>
#include <stddef.h>

struct room;
struct room_table;

/* A grace period has ended, or the slabs have come; or it failed, with -errno. */
enum room_event { ROOM_FREED, ROOM_GROWN };
typedef void (*room_fn)(enum room_event event, int error, void *userdata);

int room_new(struct room **ret, struct sampler_tables *memory, room_fn fn, void *userdata);
struct room *room_free(struct room *room);
DEFINE_CLEANUP(struct room *, room_free)

/* The most bytes there can be; those in use, retired ones included; those of the slabs that are there. */
uint64_t room_budget(const struct room *room);
uint64_t room_used(const struct room *room);
uint64_t room_slab_bytes(const struct room *room);

/* Is this an image in the right format, for this machine? The other functions take checked images only. */
bool room_image_check(const void *image, size_t size);

/* What it takes when placed; 0: it has no groups. */
uint64_t room_image_bytes(const void *image);

enum {
	ROOM_E_FULL = 1, /* no room as it is; nothing changed */
};
/*
 * Copies the image's groups into the slabs, unless the same are there already. Nothing finds them before
 * room_table_word() is published. The table is to be retired as often as it was placed.
 */
int room_place(struct room *room, const void *image, struct room_table **ret);

/* The table that the image would share; NULL: it takes room of its own. */
struct room_table *room_find(struct room *room, const void *image);

uint64_t room_table_bytes(const struct room_table *table);
uint32_t room_table_users(
	const struct room_table *table); /* how often it was placed and not retired */

/* A number of the caller's with the table; 0 at first. */
uint64_t room_table_note(const struct room_table *table);
void room_table_set_note(struct room_table *table, uint64_t note);

uint64_t room_table_word(const struct room_table *table); /* for a slot */

/* Takes the table, which one user unpublished: after the last its bytes are free at the end of a grace period. */
void room_retire(struct room *room, struct room_table *table);
uint64_t room_retired(const struct room *room);

/* Asks for a grace period; ROOM_FREED tells its end. One that is asked for while another is waited for is a new one. */
int room_wait_grace(struct room *room);

/* Asks for slabs for another `bytes`; ROOM_GROWN tells. -ENOSPC: there are as many as there may be. */
int room_grow(struct room *room, uint64_t bytes);

/* As room_retire(), of the bookkeeping only: for a room that is freed as a whole. */
struct room_table *room_table_free(struct room_table *table);

#endif
