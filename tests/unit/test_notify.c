/* The service manager's datagrams: what is sent, when the watchdog is told, and that nobody listening is no harm. */
#include "agent/core/notify.h"
#include "agent/base/clock.h"
#include "tests/test.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static char dir[] = "/tmp/test_notify-XXXXXX";

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	CHECK(fd >= 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		  0);
	return fd;
}

static const char *received(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return NULL;
	text[n] = '\0';
	return text;
}

static void set_env(const char *path, const char *usec, pid_t pid)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	setenv("WATCHDOG_PID", number, 1);
}

static void test_messages(const char *path)
{
	_cleanup_(closep) int fd = listen_at(path);
	_cleanup_(notify_deinitp) struct notify n;
	uint64_t usec;

	set_env(path, "2000000", getpid());
	notify_init(&n);
	CHECK(!getenv("NOTIFY_SOCKET") && !getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
	notify_ready(&n);
	CHECK_STR(received(fd), "READY=1\n");
	notify_reloading(&n);
	CHECK_INT(sscanf(received(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &usec), 1);
	notify_status(&n, "%d windows\nREADY=1", 3);
	CHECK_STR(received(fd), "STATUS=3 windows READY=1");
	notify_stopping(&n);
	CHECK_STR(received(fd), "STOPPING=1\n");
}

static void test_abstract_and_path(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/socket", dir);
	test_messages(path);
	unlink(path);
	snprintf(path, sizeof(path), "@fleetprof-test-%d", getpid());
	test_messages(path);
}

static void test_watchdog(void)
{
	char path[64];
	_cleanup_(closep) int fd = -1;
	_cleanup_(notify_deinitp) struct notify n, of_parent, of_other;

	snprintf(path, sizeof(path), "@fleetprof-test-%d", getpid());
	fd = listen_at(path);
	set_env(path, "2000000", getpid());
	notify_init(&n);
	CHECK_INT(n.interval_ns, NSEC_PER_SEC);
	notify_alive(&n, 5 * NSEC_PER_SEC);
	CHECK_STR(received(fd), "WATCHDOG=1\n");
	notify_alive(&n, 6 * NSEC_PER_SEC - 1);
	CHECK(!received(fd));
	notify_alive(&n, 6 * NSEC_PER_SEC);
	CHECK_STR(received(fd), "WATCHDOG=1\n");
	set_env(path, "2000000", getppid());
	notify_init(&of_parent);
	CHECK_INT(of_parent.interval_ns, NSEC_PER_SEC);
	set_env(path, "2000000", 1 + MAX(getpid(), getppid()));
	notify_init(&of_other);
	CHECK_INT(of_other.interval_ns, 0);
	notify_alive(&of_other, 1);
	CHECK(!received(fd));
}

static void test_nobody(void)
{
	_cleanup_(notify_deinitp) struct notify none, nonsense, full;
	_cleanup_(closep) int fd = -1;
	char path[64];

	unsetenv("NOTIFY_SOCKET");
	notify_init(&none);
	CHECK_INT(none.fd, -1);
	notify_ready(&none);
	notify_alive(&none, 1);
	set_env("relative", "x", 1);
	notify_init(&nonsense);
	CHECK_INT(nonsense.fd, -1);
	notify_status(&nonsense, "x");
	/* A manager that does not read: nothing waits for it. */
	snprintf(path, sizeof(path), "@fleetprof-test-%d", getpid());
	fd = listen_at(path);
	set_env(path, "1000000", getpid());
	notify_init(&full);
	for (int i = 0; i < 10000; i++)
		notify_ready(&full);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	RUN(test_abstract_and_path);
	RUN(test_watchdog);
	RUN(test_nobody);
	rmdir(dir);
	return 0;
}
