/*
 * The sandbox of the symbolizer's children: children of a real supervisor that try what an attacker would, one thing
 * each. Every attempt is denied, by an errno or by the child's death; what a child needs is allowed.
 */
#include "tests/fixtures/supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#define SOCKET 0
#define FILE_FD 1

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* What a child tells: statuses that come without an answer's bytes. */
enum { DONE = SYMWIRE_NOT_ELF, DENIED = SYMWIRE_BROKEN };

static char page[4096] __attribute__((aligned(4096)));

/* An attempt; true if it was let through. */
struct attempt {
	const char *name;
	bool (*try)(void);
};

/* clang-format off */
#define CALL(name, ...)                                                                            \
	static bool try_##name(void)                                                               \
	{                                                                                          \
		return syscall(__VA_ARGS__) >= 0;                                                  \
	}

/* Files and folders. */
CALL(openat, SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)
CALL(open_tmpfile, SYS_openat, AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600)
CALL(openat2, SYS_openat2, AT_FDCWD, "/etc/passwd", page, 24)
CALL(open_by_handle_at, SYS_open_by_handle_at, FILE_FD, page, O_RDONLY)
CALL(name_to_handle_at, SYS_name_to_handle_at, FILE_FD, "", page, page + 64, AT_EMPTY_PATH)
CALL(readlinkat, SYS_readlinkat, AT_FDCWD, "/proc/self/exe", page, sizeof(page))
CALL(getdents64, SYS_getdents64, FILE_FD, page, sizeof(page))
CALL(getcwd, SYS_getcwd, page, sizeof(page))
CALL(chdir, SYS_chdir, "/")
CALL(chroot, SYS_chroot, "/")
CALL(fchmod, SYS_fchmod, FILE_FD, 0777)
CALL(fchmodat, SYS_fchmodat, AT_FDCWD, "/tmp", 01777)
CALL(fchown, SYS_fchown, FILE_FD, -1, -1)
CALL(unlinkat, SYS_unlinkat, AT_FDCWD, "/tmp/fleetprof-nothing", 0)
CALL(renameat2, SYS_renameat2, AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", 0)
CALL(linkat, SYS_linkat, FILE_FD, "", AT_FDCWD, "/tmp/fleetprof-link", AT_EMPTY_PATH)
CALL(symlinkat, SYS_symlinkat, "a", AT_FDCWD, "/tmp/fleetprof-symlink")
CALL(mkdirat, SYS_mkdirat, AT_FDCWD, "/tmp/fleetprof-dir", 0700)
CALL(mknodat, SYS_mknodat, AT_FDCWD, "/tmp/fleetprof-fifo", S_IFIFO | 0600, 0)
CALL(ftruncate, SYS_ftruncate, FILE_FD, 0)
CALL(fallocate, SYS_fallocate, FILE_FD, 0, 0, 1)
CALL(utimensat, SYS_utimensat, FILE_FD, NULL, NULL, 0)
CALL(fsetxattr, SYS_fsetxattr, FILE_FD, "user.x", "1", 1, 0)
CALL(inotify, SYS_inotify_init1, 0)
CALL(fanotify, SYS_fanotify_init, 0, 0)
CALL(mount, SYS_mount, "none", "/tmp", "tmpfs", 0, 0)
CALL(umount, SYS_umount2, "/proc", MNT_DETACH)
CALL(pivot_root, SYS_pivot_root, "/", "/")
CALL(fsopen, SYS_fsopen, "tmpfs", 0)
CALL(open_tree, SYS_open_tree, AT_FDCWD, "/", 0)
/* The network. */
CALL(socket_inet, SYS_socket, AF_INET, SOCK_STREAM, 0)
CALL(socket_unix, SYS_socket, AF_UNIX, SOCK_DGRAM, 0)
CALL(socket_netlink, SYS_socket, AF_NETLINK, SOCK_RAW, 0)
CALL(socketpair, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, page)
CALL(connect, SYS_connect, SOCKET, &(struct sockaddr_un) { AF_UNIX, "/run/docker.sock" }, 110)
CALL(bind, SYS_bind, SOCKET, page, sizeof(sa_family_t))
CALL(listen, SYS_listen, SOCKET, 1)
CALL(setsockopt, SYS_setsockopt, SOCKET, SOL_SOCKET, SO_PASSCRED, page, sizeof(int))
CALL(sendto, SYS_sendto, SOCKET, page, 1, 0, &(struct sockaddr_un) { AF_UNIX, "\0x" }, 4)
/* Other processes. */
CALL(clone, SYS_clone, SIGCHLD, 0, 0, 0, 0)
CALL(clone3, SYS_clone3, page, 64)
CALL(execve, SYS_execve, "/bin/true", NULL, NULL)
CALL(execveat, SYS_execveat, FILE_FD, "", NULL, NULL, AT_EMPTY_PATH)
CALL(ptrace, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
CALL(ptrace_seize, SYS_ptrace, PTRACE_SEIZE, 1, 0, 0)
CALL(kill, SYS_kill, 1, 0)
CALL(kill_all, SYS_kill, -1, 0)
CALL(tgkill, SYS_tgkill, 1, 1, 0)
CALL(pidfd_open, SYS_pidfd_open, 1, 0)
CALL(pidfd_getfd, SYS_pidfd_getfd, FILE_FD, 0, 0)
CALL(process_vm_readv, SYS_process_vm_readv, 1, &(struct iovec) { page, 8 }, 1, &(struct iovec) { page, 8 }, 1, 0)
CALL(process_vm_writev, SYS_process_vm_writev, 1, &(struct iovec) { page, 8 }, 1, &(struct iovec) { page, 8 }, 1, 0)
CALL(kcmp, SYS_kcmp, 1, 1, 0, 0, 0)
CALL(getppid, SYS_getppid)
CALL(setsid, SYS_setsid)
CALL(setpgid, SYS_setpgid, 0, 0)
CALL(setpriority, SYS_setpriority, PRIO_PROCESS, 0, 0)
CALL(sched_setaffinity, SYS_sched_setaffinity, 0, 8, page)
CALL(prlimit, SYS_prlimit64, 0, RLIMIT_DATA, NULL, page)
/* Who it is. */
CALL(setuid, SYS_setuid, 0)
CALL(setresuid, SYS_setresuid, -1, -1, -1)
CALL(setgid, SYS_setgid, 0)
CALL(setgroups, SYS_setgroups, 0, NULL)
CALL(capset, SYS_capset, page, page + 64)
CALL(prctl, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)
CALL(prctl_name, SYS_prctl, PR_SET_NAME, "kworker/0:0", 0, 0, 0)
CALL(seccomp, SYS_seccomp, 0, 0, 0)
CALL(personality, SYS_personality, 0xffffffff)
CALL(unshare, SYS_unshare, CLONE_NEWUSER)
CALL(setns, SYS_setns, FILE_FD, 0)
CALL(keyctl, SYS_keyctl, 0, -3, 1)
CALL(add_key, SYS_add_key, "user", "x", "y", 1, -3)
CALL(request_key, SYS_request_key, "user", "x", NULL, 0)
/* Doors into the kernel. */
CALL(bpf, SYS_bpf, BPF_MAP_CREATE, page, 64)
CALL(bpf_next_id, SYS_bpf, BPF_PROG_GET_NEXT_ID, page, 64)
CALL(perf_event_open, SYS_perf_event_open, page, 0, -1, -1, 0)
CALL(userfaultfd, SYS_userfaultfd, 1)
CALL(io_uring_setup, SYS_io_uring_setup, 4, page)
CALL(memfd_secret, SYS_memfd_secret, 0)
CALL(reboot, SYS_reboot, 0, 0, 0, 0)
CALL(kexec_load, SYS_kexec_load, 0, 0, 0, 0)
CALL(finit_module, SYS_finit_module, FILE_FD, "", 0)
CALL(swapon, SYS_swapon, "/dev/null", 0)
CALL(syslog, SYS_syslog, 3, page, 16)
CALL(ioctl_tiocsti, SYS_ioctl, SOCKET, 0x5412, "x")
CALL(ioctl_fionread, SYS_ioctl, SOCKET, 0x541b, page)
CALL(vmsplice, SYS_vmsplice, FILE_FD, page, 0, 0)
CALL(shmget, SYS_shmget, 0, 4096, 0600 | 01000)
CALL(msgget, SYS_msgget, 0, 0600 | 01000)
CALL(dup3, SYS_dup3, SOCKET, 9, 0)
CALL(pipe2, SYS_pipe2, page, 0)
CALL(eventfd2, SYS_eventfd2, 0, 0)
CALL(timer_create, SYS_timer_create, 0, NULL, page)
CALL(rt_sigaction, SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8)
CALL(mprotect_exec, SYS_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC)
#ifdef __x86_64__
CALL(open, SYS_open, "/etc/passwd", O_RDONLY)
CALL(creat, SYS_creat, "/tmp/fleetprof-created", 0600)
CALL(access, SYS_access, "/etc/passwd", R_OK)
CALL(stat, SYS_stat, "/etc/passwd", page)
CALL(chmod, SYS_chmod, "/tmp", 01777)
CALL(unlink, SYS_unlink, "/tmp/fleetprof-nothing")
CALL(fork, SYS_fork)
CALL(iopl, SYS_iopl, 0)
CALL(modify_ldt, SYS_modify_ldt, 0, page, 16)
CALL(arch_prctl, SYS_arch_prctl, 0x1003, page)
CALL(x32_getpid, 0x40000000 | 39)

/* The 32-bit gate has numbers of its own: 20 is getpid there, and writev here. */
static bool try_32_bit_gate(void)
{
	long r;

	asm volatile("int $0x80" : "=a"(r) : "0"(20L) : "memory", "r8", "r9", "r10", "r11");
	return r > 0;
}
#endif
/* clang-format on */

static bool try_execute_a_memfd(void)
{
	int fd = memfd_create("x", 0);

	return fd < 0 || write(fd, "#!/bin/true\n", 12) != 12 ||
	       syscall(SYS_execveat, fd, "", NULL, NULL, AT_EMPTY_PATH) >= 0;
}

/* A descriptor's owner is sent a signal, of the sender's choice: no kill(2) needed. */
static bool try_signal_by_fcntl(void)
{
	return fcntl(SOCKET, F_SETOWN, 1) >= 0;
}

static bool try_choose_signal_by_fcntl(void)
{
	return fcntl(SOCKET, F_SETSIG, SIGKILL) >= 0;
}

static bool try_flags_by_fcntl(void)
{
	return fcntl(SOCKET, F_SETFL, O_ASYNC) >= 0;
}

static bool try_duplicate_by_fcntl(void)
{
	return fcntl(FILE_FD, F_DUPFD, 10) >= 0;
}

static bool try_memory_to_execute(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED;
}

static bool try_write_to_the_file(void)
{
	return write(FILE_FD, "x", 1) == 1;
}

static bool try_write_through_a_mapping(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, FILE_FD, 0) != MAP_FAILED;
}

static bool try_more_memory(void)
{
	return mmap(NULL, 2 * CHILD_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED;
}

static bool try_a_larger_answer(void)
{
	int fd = memfd_create("x", 0);

	return fd < 0 || (lseek(fd, SYMWIRE_ANSWER_MAX, SEEK_SET) >= 0 && write(fd, "x", 1) == 1);
}

static bool try_other_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return true;
	}
	return false;
}

/* clang-format off */
#define TRY(name) { #name, try_##name }
static const struct attempt attempts[] = {
	TRY(openat), TRY(open_tmpfile), TRY(openat2), TRY(open_by_handle_at), TRY(name_to_handle_at),
	TRY(readlinkat), TRY(getdents64), TRY(getcwd), TRY(chdir), TRY(chroot), TRY(fchmod),
	TRY(fchmodat), TRY(fchown), TRY(unlinkat), TRY(renameat2), TRY(linkat), TRY(symlinkat),
	TRY(mkdirat), TRY(mknodat), TRY(ftruncate), TRY(fallocate), TRY(utimensat), TRY(fsetxattr),
	TRY(inotify), TRY(fanotify), TRY(mount), TRY(umount), TRY(pivot_root), TRY(fsopen),
	TRY(open_tree), TRY(socket_inet), TRY(socket_unix), TRY(socket_netlink), TRY(socketpair),
	TRY(connect), TRY(bind), TRY(listen), TRY(setsockopt), TRY(sendto), TRY(clone), TRY(clone3),
	TRY(execve), TRY(execveat), TRY(ptrace), TRY(ptrace_seize), TRY(kill), TRY(kill_all),
	TRY(tgkill), TRY(pidfd_open), TRY(pidfd_getfd), TRY(process_vm_readv),
	TRY(process_vm_writev), TRY(kcmp), TRY(getppid), TRY(setsid), TRY(setpgid),
	TRY(setpriority), TRY(sched_setaffinity), TRY(prlimit), TRY(setuid), TRY(setresuid),
	TRY(setgid), TRY(setgroups), TRY(capset), TRY(prctl), TRY(prctl_name), TRY(seccomp),
	TRY(personality), TRY(unshare), TRY(setns), TRY(keyctl), TRY(add_key), TRY(request_key),
	TRY(bpf), TRY(bpf_next_id), TRY(perf_event_open), TRY(userfaultfd), TRY(io_uring_setup),
	TRY(memfd_secret), TRY(reboot), TRY(kexec_load), TRY(finit_module), TRY(swapon),
	TRY(syslog), TRY(ioctl_tiocsti), TRY(ioctl_fionread), TRY(vmsplice), TRY(shmget),
	TRY(msgget), TRY(dup3), TRY(pipe2), TRY(eventfd2), TRY(timer_create), TRY(rt_sigaction),
	TRY(mprotect_exec), TRY(execute_a_memfd), TRY(signal_by_fcntl),
	TRY(choose_signal_by_fcntl), TRY(flags_by_fcntl), TRY(duplicate_by_fcntl),
	TRY(memory_to_execute), TRY(write_to_the_file), TRY(write_through_a_mapping),
	TRY(more_memory), TRY(a_larger_answer), TRY(other_descriptors),
#ifdef __x86_64__
	TRY(open), TRY(creat), TRY(access), TRY(stat), TRY(chmod), TRY(unlink), TRY(fork),
	TRY(iopl), TRY(modify_ldt), TRY(arch_prctl), TRY(x32_getpid), TRY(32_bit_gate),
#endif
};
/* clang-format on */

/* What a child is there for must work, or the denials above would prove nothing. */
static bool may_read(void)
{
	char magic[4] = "";
	void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, FILE_FD, 0);

	return pread(FILE_FD, magic, 4, 0) == 4 && !memcmp(magic, "\177ELF", 4) &&
	       map != MAP_FAILED && !memcmp(map, magic, 4) && !munmap(map, 4096);
}

static bool may_allocate(void)
{
	char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	memset(p, 1, 4 << 20);
	return !munmap(p, 4 << 20);
}

static bool may_make_an_answer(void)
{
	int fd = memfd_create("answer", MFD_ALLOW_SEALING);

	return fd >= 0 && write(fd, "x", 1) == 1 && !sys_seal(fd) && !close(fd);
}

static const struct attempt allowances[] = {
	{ "may_read", may_read },
	{ "may_allocate", may_allocate },
	{ "may_make_an_answer", may_make_an_answer },
};

void child_main(const struct sandbox *sandbox, enum symbolizer_demangle demangle, int socket,
		int file_fd, int debug_fd)
{
	uint64_t message[sizeof(struct symwire_request) / 8 + 1];
	const struct symwire_request *request = (const void *)message;
	struct wire_header header;
	uint64_t which;
	bool done;
	int fd;

	if (sandbox_enter(sandbox) < 0 || socket != SOCKET || file_fd != FILE_FD)
		_exit(1);
	if (fdpass_receive(socket, message, sizeof(message), 0, &fd) != sizeof(message))
		_exit(1);
	which = message[sizeof(struct symwire_request) / 8];
	done = which < ARRAY_SIZE(attempts) ? attempts[which].try()
					    : allowances[which - ARRAY_SIZE(attempts)].try();
	header = wire_header(request->header.type, request->header.id, 0);
	header.status = done ? DONE : DENIED;
	fdpass_send(socket, &header, sizeof(header), NULL, 0, -1);
	_exit(0);
}

static void test_what_is_needed_is_allowed(void)
{
	struct supervised s = { .file_fd = -1 };

	supervised_start(&s);
	for (size_t i = 0; i < ARRAY_SIZE(allowances); i++) {
		int status = supervised_ask(&s, i, s.file_fd, ARRAY_SIZE(attempts) + i);

		if (status != DONE)
			fprintf(stderr, "%s: %d\n", allowances[i].name, status);
		CHECK_INT(status, DONE);
	}
	supervised_stop(&s);
}

static void test_everything_else_is_denied(void)
{
	struct supervised s = { .file_fd = -1 };
	size_t killed = 0, through = 0;

	supervised_start(&s);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		int status = supervised_ask(&s, 100 + i, s.file_fd, i);

		killed += status == SYMWIRE_CRASHED;
		if (status == DENIED || status == SYMWIRE_CRASHED)
			continue;
		fprintf(stderr, "%s: let through (status %d)\n", attempts[i].name, status);
		through++;
	}
	fprintf(stderr, "    %zu attempts, %zu of them ended the child\n", ARRAY_SIZE(attempts),
		killed);
	CHECK_INT(through, 0);
	CHECK(ARRAY_SIZE(attempts) >= 20);
	supervised_stop(&s);
}

int main(void)
{
	if (SANITIZED)
		SKIP("the sanitizers cannot live in the sandbox");
	RUN(test_what_is_needed_is_allowed);
	RUN(test_everything_else_is_denied);
	return 0;
}
