/* The sandbox of a child. */
#include "symbolizer/sandbox.h"
#include "agent/base/cleanup.h"
#include "agent/base/err.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/*
 * Everything that reading and hashing a mapped file, allocating, and sending one sealed answer takes. newfstatat is the fstat of
 * glibc before 2.39; given a path it tells whether a file is there, which a filter cannot see.
 */
static const int allowed[] = {
	SCMP_SYS(read),      SCMP_SYS(pread64),       SCMP_SYS(write),
	SCMP_SYS(lseek),     SCMP_SYS(fstat),         SCMP_SYS(newfstatat),
	SCMP_SYS(munmap),    SCMP_SYS(mremap),        SCMP_SYS(madvise),
	SCMP_SYS(brk),       SCMP_SYS(memfd_create),  SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),   SCMP_SYS(close),         SCMP_SYS(exit_group),
	SCMP_SYS(futex),     SCMP_SYS(getrandom),     SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sysinfo),   SCMP_SYS(clock_gettime), /* where the vDSO cannot tell the time */
	SCMP_SYS(fdatasync), /* before a file is hashed */
};

/* And of these only what harms nobody: fcntl would choose a signal and whom to send it. */
static const unsigned int fcntl_commands[] = { F_GETFD, F_GETFL, F_ADD_SEALS };

static const int refused[] = {
	SCMP_SYS(open),      SCMP_SYS(openat),     SCMP_SYS(openat2),
	SCMP_SYS(readlink),  SCMP_SYS(readlinkat), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat),
};

static int add_rules(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !r; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(fcntl_commands) && !r; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, fcntl_commands[i]));
	if (!r)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	for (size_t i = 0; i < ARRAY_SIZE(refused) && !r; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
		if (r == -EDOM || r == -EINVAL) /* not on this architecture */
			r = 0;
	}
	return r;
}

/* Exports the filter as bytes, so that a fork costs no compilation. */
static int export_filter(scmp_filter_ctx ctx, struct sock_fprog *ret)
{
	_cleanup_(closep) int fd = -1;
	struct buf bytes = BUF_NULL;
	int r = sys_memfd("filter", &fd);

	if (!r)
		r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_last();
	buf_init(&bytes, BPF_MAXINSNS * sizeof(struct sock_filter));
	r = sys_read_all(fd, &bytes);
	if (r < 0) {
		buf_deinit(&bytes);
		return r;
	}
	ret->len = (unsigned short)(bytes.len / sizeof(struct sock_filter));
	ret->filter = (void *)buf_take(&bytes);
	return 0;
}

int sandbox_init(struct sandbox *sandbox)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_rules(ctx);
	if (!r)
		r = export_filter(ctx, &sandbox->filter);
	seccomp_release(ctx);
	return r;
}

void sandbox_deinit(struct sandbox *sandbox)
{
	free(sandbox->filter.filter);
	sandbox->filter.filter = NULL;
}

/* A second wall where the kernel has it: no path at all, whatever becomes of the filter. */
static void deny_all_paths(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM
	};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0)
		return;
	syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}

static int limit(int resource, uint64_t value)
{
	const struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	return setrlimit(resource, &limit) < 0 ? err_last() : 0;
}

int sandbox_enter(const struct sandbox *sandbox)
{
	int r = limit(RLIMIT_DATA, sandbox->memory);

	if (!r)
		r = limit(RLIMIT_CPU, sandbox->cpu_s);
	if (!r)
		r = limit(RLIMIT_FSIZE, sandbox->file_bytes);
	if (!r)
		r = limit(RLIMIT_CORE, 0);
	if (r)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_last();
	deny_all_paths();
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &sandbox->filter) < 0)
		return err_last();
	return 0;
}
