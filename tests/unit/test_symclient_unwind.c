/* An unwind table on its way: a sandboxed child builds it, the client checks it. */
#include "proto/unwind_image.h"
#include "symbolizer/client.h"
#include "symbolizer/supervisor.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#ifdef FLEETPROF_SANITIZED
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

#define SUPERVISOR_SOCKET 3

struct answer {
	bool given;
	enum symclient_status status;
	struct unwind_header header;
};

static void on_unwind(enum symclient_status status, const void *image, size_t size, void *userdata)
{
	struct answer *a = userdata;

	a->given = true;
	a->status = status;
	CHECK(!image == (status != SYMCLIENT_OK) && !image == !size);
	if (image)
		memcpy(&a->header, image, sizeof(a->header));
}

static int spawn(int socket_fd, pid_t *ret_pid, void *userdata)
{
	const struct supervisor_config config = { .max_children = 2,
						  .deadline_ms = 10000,
						  .child_memory = 64u << 20 };

	*ret_pid = fork();
	if (*ret_pid > 0)
		close(socket_fd);
	if (*ret_pid)
		return *ret_pid < 0 ? -EAGAIN : 0;
	/* Without the client's end of the socket, or it would never see that the client is gone. */
	if (dup2(socket_fd, SUPERVISOR_SOCKET) < 0 ||
	    close_range(SUPERVISOR_SOCKET + 1, ~0u, 0) < 0)
		_exit(1);
	_exit(supervisor_serve(SUPERVISOR_SOCKET, &config, NULL) < 0);
}

static void ask(struct loop *loop, struct symclient *client, const char *path, struct answer *ret)
{
	static uint64_t key;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct symclient_file file = { .key = ++key, .owner = 1, .fd = fd };

	CHECK(fd >= 0);
	*ret = (struct answer) { .given = false };
	CHECK_INT(symclient_unwind(client, &file, SYMCLIENT_SMALL_TABLES, on_unwind, ret), 0);
	while (!ret->given)
		CHECK(loop_run_once(loop, 15000) >= 0);
}

int main(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	_cleanup_(symclient_freep) struct symclient *client = NULL;
	struct answer a;

	if (UNDER_SANITIZER)
		SKIP("the sanitizers' own system calls are not allowed in the sandbox");
	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(symclient_new(&client, loop, spawn, NULL, NULL), 0);
	ask(loop, client, "/proc/self/exe", &a);
	CHECK_INT(a.status, SYMCLIENT_OK);
	CHECK_INT(a.header.magic, UNWIND_MAGIC);
	CHECK(a.header.nr_rows > 100 && a.header.nr_groups);
	CHECK_INT(a.header.bad_fdes, 0);
	ask(loop, client, "/etc/passwd", &a);
	CHECK_INT(a.status, SYMCLIENT_NOT_ELF);
	return 0;
}
