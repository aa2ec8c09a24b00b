/* The bounds on the roots that files are seen in: in one window, and altogether; what is over them is counted. */
#include "agent/core/objects_internal.h"
#include "agent/core/roots.h"
#include "tests/test.h"

#include <sys/wait.h>
#include <unistd.h>

#define NEW_ROOTS_MAX 64 /* objects_views.c */
#define FILES 4096

/* An opener that answers nothing. */
static int spawn(int socket_fd, pid_t *ret_pid, void *userdata)
{
	pid_t pid = fork();
	char byte;

	CHECK(pid >= 0);
	if (!pid) {
		for (int fd = 3; fd < 64; fd++) {
			if (fd != socket_fd)
				close(fd); /* as exec does */
		}
		while (read(socket_fd, &byte, 1) > 0)
			;
		_exit(0);
	}
	close(socket_fd);
	*ret_pid = pid;
	return 0;
}

struct room {
	struct loop *loop;
	struct openclient *opener;
	struct objects *objects;
};

static void room_init(struct room *room)
{
	struct err err = ERR_NULL;

	CHECK_INT(loop_new(&room->loop), 0);
	CHECK_INT(openclient_new(&room->opener, room->loop, spawn, NULL, &err), 0);
	CHECK_INT(objects_new(&room->objects, NULL, room->opener, NULL, NULL, NULL, FILES), 0);
}

static void room_deinit(struct room *room)
{
	openclient_free(room->opener);
	objects_free(room->objects);
	loop_free(room->loop);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static uint64_t passed_over(const struct objects *objects)
{
	struct objects_counts counts;

	objects_counts(objects, &counts);
	return counts.roots_refused;
}

/* A file that was seen first in this root. */
static struct object *file_in(struct objects *objects, uint64_t root)
{
	const struct root_key key = { .ino = root, .mount = 1 };
	struct rec_map map = { .name = "file" };
	struct object *file = objects_add(objects, &map, 0);

	CHECK(file);
	objects_set_root(file, &key);
	return file;
}

static struct object *seen_in(struct object *file, uint64_t root)
{
	struct record_sample head = { .root_ino = root, .root_mount = 1, .tgid = 1, .tid = 1 };
	struct object *object = objects_view(file, &head, 0);

	CHECK(object);
	return object;
}

static void test_window(void)
{
	struct room room;
	struct object *file, *other, *rootless;
	uint64_t root = 1;

	room_init(&room);
	file = file_in(room.objects, root);
	other = file_in(room.objects, root);
	CHECK(seen_in(file, root) == file);
	for (size_t i = 0; i < NEW_ROOTS_MAX; i++) {
		struct object *view = seen_in(file, ++root);

		CHECK(view != file && view->base == file && view->root);
		CHECK(seen_in(file, root) == view);
	}
	CHECK_INT(passed_over(room.objects), 0);

	/* One more: of a view that has no root, as the next one is; both are counted. */
	rootless = seen_in(file, root + 1);
	CHECK(rootless->base == file && !rootless->root);
	CHECK(seen_in(file, root + 2) == rootless);
	CHECK_INT(passed_over(room.objects), 2);
	/* A root that is known already is not a new one. */
	CHECK(seen_in(other, root)->root && seen_in(other, root)->base == other);
	CHECK_INT(passed_over(room.objects), 2);

	/* The next window has a place for it. */
	objects_end_window(room.objects);
	CHECK(seen_in(file, root + 1) != rootless && seen_in(file, root + 1)->root);
	CHECK_INT(passed_over(room.objects), 2);
	room_deinit(&room);
}

static void test_altogether(void)
{
	struct room room;
	struct object *file, *view;
	uint64_t root = 1;

	room_init(&room);
	file = file_in(room.objects, root);
	while (root < ROOTS_MAX) {
		view = seen_in(file, ++root);
		CHECK(view->root);
		if (root % NEW_ROOTS_MAX == 0)
			objects_end_window(room.objects);
	}
	CHECK_INT(passed_over(room.objects), 0);
	view = seen_in(file, ++root); /* its names are looked for nowhere */
	CHECK(view->base == file && !view->root);
	CHECK_INT(passed_over(room.objects), 1);
	room_deinit(&room);
}

static void ignore(struct root *root, void *userdata)
{
}

static void test_given_back(void)
{
	struct root *kept[ROOTS_MAX];
	struct root_key key = { .ino = 1, .mount = 1 };
	struct roots *roots;

	CHECK_INT(roots_new(&roots, NULL, ignore, NULL), 0);
	for (size_t i = 0; i < ROOTS_MAX; i++, key.ino++) {
		kept[i] = roots_get(roots, &key);
		CHECK(kept[i]);
	}
	CHECK(!roots_get(roots, &key) && !roots_know(roots, &key));
	CHECK_INT(roots_refused(roots), 1);
	root_put(kept[0]);
	kept[0] = roots_get(roots, &key);
	CHECK(kept[0] && roots_know(roots, &key));
	CHECK_INT(roots_refused(roots), 1);
	for (size_t i = 0; i < ROOTS_MAX; i++)
		root_put(kept[i]);
	roots_free(roots);
}

int main(void)
{
	RUN(test_window);
	RUN(test_altogether);
	RUN(test_given_back);
	return 0;
}
