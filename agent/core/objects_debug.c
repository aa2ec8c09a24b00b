/* The mapped files' separate debug files: in the object's root, in the host's, and elsewhere. */
#include "agent/core/debugfiles.h"
#include "agent/core/objects_internal.h"

#include <errno.h>

#define REMOTE_WINDOWS 10 /* until a debug file that nobody had is asked for again */

uint32_t objects_new_id(struct objects *o)
{
	return o->last_id == FRAME_FILE_ID_MAX ? 0 : ++o->last_id;
}

static void use_debug_file(struct object *object, int fd)
{
	struct objects *o = object->objects;

	object->debug_fd = fd;
	object->debug_id = objects_new_id(o);
	object->debug_identified = sampler_identify(o->sampler, fd, &object->debug_identity) >= 0;
	if (object->content_id)
		object->content_id = objects_new_id(o);
}

static bool has_open_root(const struct object *object)
{
	return object->root && root_fd(object->root) >= 0;
}

/* All that this host has was looked through: what was found, if anything, is the program's. */
static void end_search(struct object *object)
{
	object->located = true;
	objects_settle_table(object->base ?: object);
	for (struct object *view = object->views; view; view = view->next_view)
		objects_debug_start(view);
}

/* ---- elsewhere ---- */

uint64_t objects_remote_window(const struct objects *o, int error)
{
	if (error == -EFBIG)
		return UINT64_MAX;
	/* What is asked again too early is answered at once, and costs a message. */
	return o->window + (error == -ENOENT ? REMOTE_WINDOWS : 1);
}

/* What came from a server is the program's debug file, or it is thrown away everywhere. */
static void on_remote_identity(enum symclient_status status,
			       const struct symbolizer_identity *identity, void *userdata)
{
	struct object *object = userdata;
	struct objects *o = object->objects;
	int fd = TAKE_FD(object->remote_fd);

	object->searching = false;
	if (status == SYMCLIENT_OK && identity->has_debug_file) {
		use_debug_file(object, fd);
		object->debug_frame = identity->has_debug_frame;
		objects_settle_table(object->base ?: object);
		objects_content_settle(object);
		return;
	}
	close(fd);
	object->remote_window = o->window + 1;
	/* These two say nothing of the file: the symbolizer is away, or has too much to do. */
	if (status != SYMCLIENT_LOST && status != SYMCLIENT_QUARANTINED && o->remote)
		remotedebug_bad(o->remote, object->elf.build_id, object->elf.build_id_len);
}

/* Under a key and an owner of its own: what a server makes of it is not to be held against the program. */
static int verify_remote_file(struct object *object, int fd)
{
	struct symclient_file file = objects_request(object);

	file.key = SYMCLIENT_REMOTE_KEY(object->id);
	file.owner = SYMCLIENT_REMOTE_KEY(0);
	file.debug_fd = fd;
	return symclient_identity(object->objects->symbolizer, &file, on_remote_identity, object);
}

static void on_remote_file(int fd, void *userdata)
{
	struct object *object = userdata;
	struct objects *o = object->objects;

	if (fd >= 0 && !verify_remote_file(object, fd)) {
		object->remote_fd = fd;
		return;
	}
	object->searching = false;
	object->remote_window = objects_remote_window(o, fd);
	close_fd(fd);
}

/* For what is nowhere on this host. */
static void ask_remote(struct object *object)
{
	struct objects *o = object->objects;
	int r = -EINVAL;

	/* A view without a debug file has the names of the object, if that has none either. */
	if (!o->remote || object->elf.has_dwarf || (object->base && object->base->debug_fd < 0))
		return;
	if (object->elf.build_id_kind == SYMBOLIZER_BUILD_ID_GNU)
		r = remotedebug_find(o->remote, object->elf.build_id, object->elf.build_id_len,
				     on_remote_file, object);
	object->searching = !r;
	if (r == -EINVAL)
		object->remote_window = UINT64_MAX;
}

void objects_debug_again(struct object *object)
{
	const struct objects *o = object->objects;

	objects_debug_start(object);
	if (o->remote && object->window == o->window && o->window >= object->remote_window &&
	    object->located && object->debug_fd < 0 && !object->searching && !object->retiring)
		ask_remote(object);
}

/* ---- on this host ---- */

static void look_for_debug_file(struct object *object);

/* What is another program's is closed, and the next place looked at; the symbolizer would not take it in any case. */
static void on_debug_identity(enum symclient_status status,
			      const struct symbolizer_identity *identity, void *userdata)
{
	struct object *object = userdata;

	object->searching = false;
	if (status == SYMCLIENT_OK && !identity->has_debug_file) {
		object->debug_fd = close_fd(object->debug_fd);
		object->debug_id = 0;
		object->objects->wrong_debug_files++;
		look_for_debug_file(object);
		return;
	}
	object->debug_frame = status == SYMCLIENT_OK && identity->has_debug_frame;
	end_search(object);
	objects_content_settle(object);
}

static void verify_debug_file(struct object *object)
{
	struct symclient_file file = objects_request(object);

	/* A child keeps the debug file that it was given first: another one is another child's, which then gives the names. */
	file.key = object->debug_id ?: object->id;
	object->searching =
		!symclient_identity(object->objects->symbolizer, &file, on_debug_identity, object);
}

static void on_debug_file(int fd, size_t next, void *userdata)
{
	struct object *object = userdata;

	object->searching = false;
	object->next_place = next;
	if (fd >= 0) {
		use_debug_file(object, fd);
		/* The object's own was compared with the program before. */
		if (!object->base || !objects_have_same_names(object, object->base))
			verify_debug_file(object);
	}
	if (object->searching)
		return;
	if (fd < 0 && !object->in_root && has_open_root(object)) { /* opened meanwhile */
		objects_debug_start(object);
		return;
	}
	end_search(object);
	if (fd < 0)
		ask_remote(object);
	objects_content_settle(object);
}

/* A program without debug information of its own may have it elsewhere. */
static void look_for_debug_file(struct object *object)
{
	int root = object->in_root ? root_fd(object->root) : -1;

	object->searching = true;
	if (object->elf.has_dwarf ||
	    debugfiles_find(object->objects->opener, root, &object->elf, object->path,
			    object->next_place, on_debug_file, object) < 0)
		on_debug_file(-ENOENT, object->next_place, object);
}

/* Is something under way whose end brings it here again? */
static bool must_wait(const struct object *object)
{
	return !object->elf_known || object->searching ||
	       (object->root && root_is_asked(object->root)) ||
	       (object->base && !object->base->located);
}

void objects_debug_start(struct object *object)
{
	bool rooted = has_open_root(object);

	if (must_wait(object) ||
	    (object->located && (object->debug_fd >= 0 || object->in_root || !rooted)))
		return;
	object->in_root = rooted;
	object->next_place = 0;
	look_for_debug_file(object);
}
