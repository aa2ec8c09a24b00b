/* The messages between core, opener and symbolizer: whole and of this build, or refused. */
#include "agent/base/cleanup.h"
#include "proto/openwire.h"
#include "proto/symwire.h"
#include "tests/test.h"

#include <errno.h>

static void test_header(void)
{
	struct wire_header h = wire_header(3, 77, 0);

	CHECK_INT(h.type, 3);
	CHECK_INT(h.id, 77);
	CHECK(wire_check(&h, sizeof(h), false));
	CHECK(wire_check(&h, sizeof(h), true));
	for (size_t n = 0; n < sizeof(h); n++)
		CHECK(!wire_check(&h, n, false) && !wire_check(&h, n, true));
	CHECK(!wire_check(&h, sizeof(h) + 1, false)); /* more than it says */
	CHECK(!wire_check(&h, sizeof(h) + 1, true)); /* what is elsewhere is not here */
	h.size = 5;
	CHECK(wire_check(&h, sizeof(h) + 5, false));
	CHECK(wire_check(&h, sizeof(h), true));
	CHECK(!wire_check(&h, sizeof(h), false));
	h.build++; /* another version's */
	CHECK(!wire_check(&h, sizeof(h) + 5, false));
	h = wire_header(3, 77, 0);
	h.magic ^= 1;
	CHECK(!wire_check(&h, sizeof(h), false));
}

static struct openwire_request request(enum openwire_type type)
{
	struct openwire_request r = {
		.tgid = 42, .start = 0x1000, .end = 0x2000, .path = "/bin/sh"
	};

	r.header = wire_header((uint16_t)type, 1, sizeof(r) - sizeof(r.header));
	if (type == OPENWIRE_PROC)
		strcpy(r.path, "mountinfo");
	return r;
}

static bool passes(const struct openwire_request *r)
{
	return openwire_check_request(r, sizeof(*r));
}

static void test_open_requests(void)
{
	struct openwire_request r = request(OPENWIRE_MAPPING);

	for (int type = OPENWIRE_MAPPING; type <= OPENWIRE_PROC; type++) {
		r = request((enum openwire_type)type);
		CHECK(passes(&r));
		CHECK(!openwire_check_request(&r, sizeof(r) - 1));
		CHECK(!openwire_check_request(&r, 0));
		r.tgid = 0;
		CHECK(!passes(&r));
		r.tgid = 0x80000000; /* a negative pid */
		CHECK(!passes(&r));
		r = request((enum openwire_type)type);
		memset(r.path, '/', sizeof(r.path));
		CHECK(!passes(&r));
		r = request((enum openwire_type)type);
		r.header.type = 0;
		CHECK(!passes(&r));
		r.header.type = OPENWIRE_ROOT + 1;
		CHECK(!passes(&r));
		r.header.type = UINT16_MAX;
		CHECK(!passes(&r));
	}
	r = request(OPENWIRE_MAPPING);
	r.end = r.start;
	CHECK(!passes(&r));
	r.start = UINT64_MAX;
	CHECK(!passes(&r));
	r = request(OPENWIRE_IN_ROOT);
	strcpy(r.path, "bin/sh");
	CHECK(!passes(&r));
	r.path[0] = '\0';
	CHECK(!passes(&r));
	r = request(OPENWIRE_ELF_IN_ROOT);
	CHECK(passes(&r));
	strcpy(r.path, "bin/sh");
	CHECK(!passes(&r));
	r = request(OPENWIRE_ELF_BELOW);
	CHECK(!passes(&r)); /* of no process */
	r.tgid = 0;
	CHECK(passes(&r));
}

/* Of /proc/PID, only what is on the list. */
static void test_open_proc_names(void)
{
	static const char *const bad[] = { "",         "environ",      "mem",         "maps",
					   "cmdline",  "root",         "cwd",         "exe",
					   "fd/3",     "../1/environ", "mountinfo/",  "/mountinfo",
					   "./cgroup", "cgroup ",      "mountinfo\n", "MOUNTINFO" };
	struct openwire_request r = request(OPENWIRE_PROC);

	CHECK(passes(&r));
	strcpy(r.path, "cgroup");
	CHECK(passes(&r));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(r.path, bad[i]);
		CHECK(!passes(&r));
	}
}

static void test_open_answers(void)
{
	struct openwire_answer a = { .result = 0 };

	a.header = wire_header(OPENWIRE_MAPPING, 1, sizeof(a) - sizeof(a.header));
	CHECK(openwire_check_answer(&a, sizeof(a)));
	CHECK(!openwire_check_answer(&a, sizeof(a) - 1));
	a.result = -ENOENT;
	CHECK(openwire_check_answer(&a, sizeof(a)));
	a.result = 1;
	CHECK(!openwire_check_answer(&a, sizeof(a)));
	a.result = -4096;
	CHECK(!openwire_check_answer(&a, sizeof(a)));
	a.result = INT32_MIN;
	CHECK(!openwire_check_answer(&a, sizeof(a)));
}

static void test_file_systems_that_may_stall(void)
{
	CHECK(openwire_may_stall(0x65735546)); /* FUSE */
	CHECK(openwire_may_stall(0x6969)); /* NFS */
	CHECK(openwire_may_stall(0xff534d42)); /* CIFS */
	CHECK(openwire_may_stall(0x01021997)); /* 9p */
	CHECK(!openwire_may_stall(0xef53)); /* ext4 */
	CHECK(!openwire_may_stall(0x794c7630)); /* overlayfs */
	CHECK(!openwire_may_stall(0));
}

static void test_symbol_requests(void)
{
	static struct {
		struct symwire_request request;
		uint64_t addresses[SYMWIRE_ADDRESSES_MAX + 1];
	} m;
	struct symwire_request *r = &m.request;
	size_t n = sizeof(*r) + 3 * sizeof(uint64_t);

	r->header = wire_header(SYMWIRE_FRAMES, 1, n - sizeof(r->header));
	r->nr = 3;
	CHECK(symwire_check_request(r, n));
	for (size_t size = 0; size < n; size++)
		CHECK(!symwire_check_request(r, size));
	r->nr = 2;
	CHECK(!symwire_check_request(r, n));
	r->nr = 4;
	CHECK(!symwire_check_request(r, n));
	r->nr = 0x20000003; /* times eight it wraps to three */
	CHECK(!symwire_check_request(r, n));
	r->nr = 3;
	CHECK_INT(symwire_nr_fds(r), 1);
	r->has_debug = r->has_alt = r->has_package = 1;
	r->nr_splits = SYMWIRE_SPLITS_MAX;
	CHECK(symwire_check_request(r, n));
	CHECK_INT(symwire_nr_fds(r), SYMWIRE_FDS_MAX);
	r->nr_splits++;
	CHECK(!symwire_check_request(r, n));
	r->nr_splits = 0;
	for (uint8_t *flag = &r->has_debug; flag <= &r->has_package; flag++) {
		*flag = 2;
		CHECK(!symwire_check_request(r, n));
		*flag = 0;
	}
	r->header.type = 0;
	CHECK(!symwire_check_request(r, n));
	r->header.type = SYMWIRE_TYPE_END;
	CHECK(!symwire_check_request(r, n));

	n = sizeof(*r) + SYMWIRE_ADDRESSES_MAX * sizeof(uint64_t);
	r->header = wire_header(SYMWIRE_KERNEL, 1, n - sizeof(r->header));
	r->nr = SYMWIRE_ADDRESSES_MAX;
	CHECK(symwire_check_request(r, n));
	n += sizeof(uint64_t);
	r->header = wire_header(SYMWIRE_KERNEL, 1, n - sizeof(r->header));
	r->nr++;
	CHECK(!symwire_check_request(r, n));
}

int main(void)
{
	RUN(test_header);
	RUN(test_open_requests);
	RUN(test_open_proc_names);
	RUN(test_open_answers);
	RUN(test_file_systems_that_may_stall);
	RUN(test_symbol_requests);
	return 0;
}
