/* What is dropped is gone: read back from /proc/self/status, in a child of its own for each case. */
#include "agent/base/privilege.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static uint64_t status_field(const char *field)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, strlen(field)))
			return strtoull(line + strlen(field), NULL, strstr(field, "Cap") ? 16 : 10);
	}
	CHECK(!"the field is there");
	return 0;
}

static uint64_t bit(cap_value_t c)
{
	return 1ULL << c;
}

static void check_no_way_back(void)
{
	CHECK_INT(status_field("NoNewPrivs:"), 1);
	CHECK_INT(status_field("CapInh:"), 0);
	CHECK_INT(status_field("CapAmb:"), 0);
	CHECK_INT(prctl(PR_GET_DUMPABLE), 0);
}

static void drop_all(void)
{
	CHECK_INT(privilege_drop(NULL, 0, 0, NULL), 0);
	CHECK_INT(status_field("CapEff:"), 0);
	CHECK_INT(status_field("CapPrm:"), 0);
	CHECK(!privilege_has(CAP_SYS_PTRACE));
	check_no_way_back();
}

static void keep_some(void)
{
	const cap_value_t keep[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };
	uint64_t mask = bit(CAP_SYS_PTRACE) | bit(CAP_DAC_READ_SEARCH);
	uint64_t had = status_field("CapPrm:"), bound = status_field("CapBnd:");

	CHECK_INT(privilege_drop(keep, ARRAY_SIZE(keep), 0, NULL), 0);
	CHECK_INT(status_field("CapEff:"), had & mask);
	CHECK_INT(status_field("CapPrm:"), had & mask);
	if (had & bit(CAP_SETPCAP))
		CHECK_INT(status_field("CapBnd:"), bound & mask);
	check_no_way_back();
}

static void become_another_user(void)
{
	const cap_value_t keep[] = { CAP_SYS_PTRACE };
	uint64_t had = status_field("CapPrm:");

	CHECK_INT(privilege_drop(keep, 1, 61234, NULL), 0);
	if (had & bit(CAP_SETUID) && had & bit(CAP_SETGID)) {
		uid_t r, e, s;

		CHECK_INT(getresuid(&r, &e, &s), 0);
		CHECK(r == 61234 && e == 61234 && s == 61234);
		CHECK_INT(getresgid(&r, &e, &s), 0);
		CHECK(r == 61234 && e == 61234 && s == 61234);
		CHECK_INT(getgroups(0, NULL), 0);
		CHECK_INT(setuid(0), -1);
	}
	CHECK_INT(status_field("CapEff:"),
		  had & bit(CAP_SYS_PTRACE)); /* kept across the change of user */
	check_no_way_back();
}

/* A capability that the process does not have is not an error: the caller asks privilege_has(). */
static void keep_what_is_not_there(void)
{
	const cap_value_t keep[] = { CAP_SYS_PTRACE };

	CHECK_INT(privilege_drop(NULL, 0, 0, NULL), 0);
	CHECK_INT(privilege_drop(keep, 1, 61234, NULL),
		  0); /* nor is a user that it cannot become */
	CHECK_INT(status_field("CapPrm:"), 0);
	CHECK(!privilege_has(CAP_SYS_PTRACE));
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void test_drop_all(void)
{
	in_child(drop_all);
}

static void test_keep_some(void)
{
	in_child(keep_some);
}

static void test_become_another_user(void)
{
	in_child(become_another_user);
}

static void test_keep_what_is_not_there(void)
{
	in_child(keep_what_is_not_there);
}

static void test_spare_uid(void)
{
	for (int i = 0; i < 100; i++) {
		uint32_t uid = privilege_spare_uid();

		CHECK(uid >= 61184 && uid <= 65519);
	}
}

int main(void)
{
	RUN(test_drop_all);
	RUN(test_keep_some);
	RUN(test_become_another_user);
	RUN(test_keep_what_is_not_there);
	RUN(test_spare_uid);
	return 0;
}
