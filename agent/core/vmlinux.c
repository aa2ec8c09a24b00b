/* The kernel's own file. */
#include "agent/core/vmlinux.h"
#include "agent/base/buf.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "symbolizer/kernel_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NOTES "/sys/kernel/notes"
#define NOTES_MAX (64u << 10)

struct vmlinux {
	struct openclient *opener;
	struct symclient *symbolizer;
	uint8_t build_id[SYMBOLIZER_BUILD_ID_MAX];
	uint32_t build_id_len;
	char paths[KERNEL_PATHS_MAX][DEBUG_PATH_BYTES];
	size_t nr, next; /* each path twice: in the root of process 1, and in our own */
	int candidate_fd, fd;
	bool pending;
};

static void try_next(struct vmlinux *v);

static void on_identity(enum symclient_status status, const struct symbolizer_identity *identity,
			void *userdata)
{
	struct vmlinux *v = userdata;

	if (status == SYMCLIENT_OK && identity->has_dwarf &&
	    identity->build_id_kind == SYMBOLIZER_BUILD_ID_GNU &&
	    identity->build_id_len == v->build_id_len &&
	    !memcmp(identity->build_id, v->build_id, v->build_id_len)) {
		log_debug("the kernel's debug information: %s", v->paths[(v->next - 1) / 2]);
		v->fd = TAKE_FD(v->candidate_fd);
		v->pending = false;
		return;
	}
	v->candidate_fd = close_fd(v->candidate_fd);
	if (status ==
	    SYMCLIENT_LOST) /* maybe the end of everything: the opener is gone before the symbolizer */
		v->pending = false;
	else
		try_next(v);
}

static void on_open(int fd, void *userdata)
{
	struct vmlinux *v = userdata;
	struct symclient_file file = { .key = SYMCLIENT_VMLINUX_KEY - v->next, .fd = fd };

	if (fd == -ECONNRESET) {
		v->pending = false;
		return;
	}
	v->candidate_fd = MAX(fd, -1);
	if (fd >= 0 && !symclient_identity(v->symbolizer, &file, on_identity, v))
		return;
	v->candidate_fd = close_fd(v->candidate_fd);
	try_next(v);
}

static void try_next(struct vmlinux *v)
{
	while (v->next < 2 * v->nr) {
		const char *path = v->paths[v->next / 2];
		uint32_t tgid = v->next % 2 ? (uint32_t)getpid() : 1;

		v->next++;
		if (!openclient_elf_in_root(v->opener, tgid, 0, path, on_open, v))
			return;
	}
	v->pending = false;
}

static void read_build_id(struct vmlinux *v)
{
	_cleanup_(buf_deinitp) struct buf notes = BUF_NULL;

	buf_init(&notes, NOTES_MAX);
	if (!sys_read_file(AT_FDCWD, NOTES, &notes))
		v->build_id_len = kernel_build_id(notes.data, notes.len, v->build_id);
}

int vmlinux_new(struct vmlinux **ret, struct openclient *opener, struct symclient *symbolizer)
{
	struct vmlinux *v = calloc(1, sizeof(*v));
	struct utsname uts;

	if (!v)
		return -ENOMEM;
	*v = (struct vmlinux) {
		.opener = opener, .symbolizer = symbolizer, .candidate_fd = -1, .fd = -1
	};
	read_build_id(v);
	if (v->build_id_len && !uname(&uts)) {
		v->nr = kernel_paths(v->build_id, v->build_id_len, uts.release, v->paths);
		v->pending = true;
		try_next(v);
	}
	*ret = v;
	return 0;
}

struct vmlinux *vmlinux_free(struct vmlinux *v)
{
	if (!v)
		return NULL;
	close_fd(v->candidate_fd);
	close_fd(v->fd);
	free(v);
	return NULL;
}

bool vmlinux_pending(const struct vmlinux *v)
{
	return v->pending;
}

int vmlinux_fd(const struct vmlinux *v)
{
	return v->fd;
}
