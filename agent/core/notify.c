/* Telling the service manager. */
#include "agent/core/notify.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define STATUS_MAX 512

/* "/run/systemd/notify", or "@name" in the abstract namespace. */
static int connect_to(const char *path, int *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_last();
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return err_last();
	*ret = TAKE_FD(fd);
	return 0;
}

static bool is_meant(const char *pid_text)
{
	uint64_t pid;

	if (!pid_text)
		return true;
	return sys_parse_u64(pid_text, 10, 1, INT32_MAX, &pid) == 0 &&
	       ((pid_t)pid == getpid() || (pid_t)pid == getppid());
}

void notify_init(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET"), *watchdog = getenv("WATCHDOG_USEC");
	uint64_t usec;
	int r;

	*n = NOTIFY_NULL;
	if (path && *path) {
		r = connect_to(path, &n->fd);
		if (r < 0)
			log_warn("cannot tell the service manager at %s anything: %s", path,
				 err_str(r));
	}
	if (n->fd >= 0 && watchdog && is_meant(getenv("WATCHDOG_PID")) &&
	    sys_parse_u64(watchdog, 10, 1, UINT64_MAX / NSEC_PER_USEC, &usec) == 0)
		n->interval_ns = usec * NSEC_PER_USEC / 2;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_deinit(struct notify *n)
{
	n->fd = close_fd(n->fd);
}

static void send_text(struct notify *n, const char *text)
{
	if (n->fd >= 0 && send(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("the service manager does not listen: %s", err_str(err_last()));
}

void notify_ready(struct notify *n)
{
	send_text(n, "READY=1\n");
}

void notify_reloading(struct notify *n)
{
	char text[64];
	struct timespec now;

	/* The manager compares it with its own clock: monotonic, not boot time. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		 (uint64_t)(now.tv_sec * 1000000 + now.tv_nsec / 1000));
	send_text(n, text);
}

void notify_stopping(struct notify *n)
{
	send_text(n, "STOPPING=1\n");
}

void notify_status(struct notify *n, const char *fmt, ...)
{
	char text[STATUS_MAX] = "STATUS=";
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	send_text(n, text);
}

void notify_alive(struct notify *n, uint64_t now_ns)
{
	if (!n->interval_ns || now_ns < n->next_ns)
		return;
	n->next_ns = now_ns + n->interval_ns;
	send_text(n, "WATCHDOG=1\n");
}
