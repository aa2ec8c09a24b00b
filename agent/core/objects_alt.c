/* The file that dwz shares between programs, where this host does not have it: asked of elsewhere. */
#include "agent/core/objects_internal.h"

#include <errno.h>
#include <string.h>

/* The names are asked for again, with it; whether it has what they need, their symbolizer will see. */
static void use(struct object *object, int fd)
{
	object->alt.brought = true;
	supplements_bring_alt(object->supplements, fd);
	object->debug_id = objects_new_id(object->objects);
}

static void refuse(struct object *object)
{
	struct objects *o = object->objects;

	if (o->remote)
		remotedebug_bad(o->remote, object->alt.build_id, object->alt.build_id_len);
}

static void on_identity(enum symclient_status status, const struct symbolizer_identity *identity,
			void *userdata)
{
	struct object *object = userdata;
	struct object_alt *alt = &object->alt;
	_cleanup_(closep) int fd = TAKE_FD(alt->fd);

	alt->asking = false;
	if (status == SYMCLIENT_OK && identity->build_id_kind == SYMBOLIZER_BUILD_ID_GNU &&
	    identity->build_id_len == alt->build_id_len &&
	    !memcmp(identity->build_id, alt->build_id, alt->build_id_len) && identity->has_dwarf) {
		use(object, TAKE_FD(fd));
		return;
	}
	alt->window = object->objects->window + 1;
	/* These two say nothing of the file: the symbolizer is away, or has too much to do. */
	if (status != SYMCLIENT_LOST && status != SYMCLIENT_QUARANTINED)
		refuse(object);
}

static void on_file(int fd, void *userdata)
{
	struct object *object = userdata;
	struct objects *o = object->objects;
	const struct symclient_file file = { .key = SYMCLIENT_REMOTE_KEY(objects_new_id(o)),
					     .owner = SYMCLIENT_REMOTE_KEY(0),
					     .fd = fd };

	if (fd >= 0 && !symclient_identity(o->symbolizer, &file, on_identity, object)) {
		object->alt.fd = fd;
		return;
	}
	object->alt.asking = false;
	object->alt.window = objects_remote_window(o, fd);
	close_fd(fd);
}

static void ask(struct object *object)
{
	struct objects *o = object->objects;
	struct object_alt *alt = &object->alt;
	int r;

	if (!o->remote || alt->asking || o->window < alt->window)
		return;
	r = remotedebug_find(o->remote, alt->build_id, alt->build_id_len, on_file, object);
	alt->asking = !r;
	if (r == -EINVAL)
		alt->window = UINT64_MAX;
}

void objects_alt_is_missing(const struct symbolizer_want *want, void *userdata)
{
	struct object *object = userdata;
	struct object_alt *alt = &object->alt;

	if (alt->brought) { /* what came was not good enough */
		alt->window = UINT64_MAX;
		refuse(object);
		return;
	}
	memcpy(alt->build_id, want->id, want->id_len);
	alt->build_id_len = want->id_len;
	ask(object);
}

void objects_alt_again(struct object *object)
{
	if (object->alt.build_id_len && !object->alt.brought && !object->retiring &&
	    object->window == object->objects->window)
		ask(object);
}
