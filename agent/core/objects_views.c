/* One file in several roots: a view of the object for each of them but the first. */
#include "agent/core/objects_internal.h"
#include "agent/base/log.h"

#include <errno.h>
#include <string.h>

#define NEW_ROOTS_MAX 64 /* in which one window's samples have views */

struct view_key {
	struct root_key root;
	uint64_t id; /* of the object */
};

static struct view_key key_of(const struct object *view)
{
	return (struct view_key) { .root = view->root_key, .id = view->base->id };
}

struct root_key objects_root_of(const struct record_sample *head)
{
	return (struct root_key) { .ino = head->root_ino, .mount = head->root_mount };
}

int objects_views_init(struct objects *o)
{
	return hashmap_new(&o->views, sizeof(struct view_key), sizeof(struct object *), o->max);
}

void objects_set_root(struct object *object, const struct root_key *key)
{
	object->root_key = *key;
	if (key->ino)
		object->root = roots_get(object->objects->roots, key);
}

static struct object *add_view(struct object *base, const struct root_key *root, uint64_t owner)
{
	struct object *view = objects_add(base->objects, &base->identity, owner);

	if (!view)
		return NULL;
	view->base = base;
	view->next_view = base->views;
	base->views = view;
	objects_set_root(view, root);
	objects_settle_table(base);
	return view;
}

/*
 * A root costs some look-ups for each of its files. Sandboxes that come and go by the dozen would make work without end:
 * what is over the bounds is of one view that has no root, and is asked for again with the next sample.
 */
static bool may_have_root(struct objects *o, const struct root_key *key)
{
	if (roots_know(o->roots, key))
		return true;
	if (o->new_roots == NEW_ROOTS_MAX || hashmap_count(o->views) >= o->max / 4 * 3)
		return false;
	o->new_roots++;
	return true;
}

/* The view for the root, or the object that has no root either; NULL: there is no place for it. */
static struct object *get_view(struct object *base, const struct root_key *root, uint64_t owner)
{
	struct objects *o = base->objects;
	struct view_key key = { .root = *root, .id = base->id };
	struct object *view;
	void *value;
	bool is_new;

	if (!hashmap_get(o->views, &key) && root->ino && !may_have_root(o, root)) {
		o->roots_passed_over++;
		key.root = (struct root_key) { .ino = 0 };
	}
	if (!memcmp(&key.root, &base->root_key, sizeof(key.root)))
		return base;
	if (hashmap_put(o->views, &key, &value, &is_new))
		return NULL;
	view = is_new ? add_view(base, &key.root, owner) : *(struct object **)value;
	if (!view) {
		hashmap_remove(o->views, &key);
		return NULL;
	}
	*(struct object **)value = view;
	view->retiring = false;
	view->window = o->window;
	return view;
}

struct object *objects_view(struct object *base, const struct record_sample *head, uint64_t owner)
{
	const struct root_key root = objects_root_of(head);
	bool first = !memcmp(&root, &base->root_key, sizeof(root));
	struct object *object = first ? base : get_view(base, &root, owner);

	if (object && object->root && root_fd(object->root) < 0)
		root_want(object->root, head->tgid, head->tid, head->start_boot_ns);
	if (object && object->fd != base->fd) /* a new view, whose root is asked for by now */
		objects_views_follow(base);
	return object;
}

void objects_views_follow(struct object *base)
{
	for (struct object *view = base->views; view; view = view->next_view) {
		view->fd = base->fd;
		view->path = base->path;
		view->elf = base->elf;
		view->elf_known = base->elf_known;
		objects_debug_start(view);
	}
}

void objects_views_forget(struct object *view)
{
	struct object **at = &view->base->views;
	struct view_key key = key_of(view);

	while (*at != view)
		at = &(*at)->next_view;
	*at = view->next_view;
	hashmap_remove(view->objects->views, &key);
	objects_settle_table(view->base);
}

static bool is_same_file(const struct rec_map *a, const struct rec_map *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->gen == b->gen &&
	       a->ctime_ns == b->ctime_ns;
}

bool objects_have_same_names(const struct object *a, const struct object *b)
{
	if (a->supplements || b->supplements)
		return false;
	if (a->debug_fd < 0 || b->debug_fd < 0)
		return a->debug_fd < 0 && b->debug_fd < 0;
	return a->debug_identified && b->debug_identified &&
	       is_same_file(&a->debug_identity, &b->debug_identity);
}

const struct object *objects_first_of_names(const struct object *object)
{
	const struct object *other = object->base;

	if (!other || objects_have_same_names(object, other))
		return other ?: object;
	for (other = other->views; other != object; other = other->next_view) {
		if (objects_have_same_names(object, other))
			break;
	}
	return other;
}

void objects_settle_table(struct object *base)
{
	bool everybodys = base->debug_frame;

	for (const struct object *view = base->views; view && everybodys; view = view->next_view)
		everybodys = objects_have_same_names(base, view);
	if (everybodys == base->table_has_debug)
		return;
	base->table_has_debug = everybodys;
	table_source_again(base->objects->tables, base->table_slot,
			   everybodys ? base->debug_fd : 0);
}
