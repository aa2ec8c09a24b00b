/* Writes the known, the evil or the big profile through one of the writers, for the tests of its readers. */
#include "agent/base/sys.h"
#include "agent/core/output.h"
#include "proto/folded.h"
#include "proto/pprof.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"

#include <unistd.h>

static struct profile *make(const char *which)
{
	if (!strcmp(which, "known"))
		return known_profile();
	if (!strcmp(which, "evil"))
		return known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	if (!strcmp(which, "big"))
		return known_big_profile(50000, 32);
	return NULL;
}

/* make_profile known|evil|big pprof|folded|summary|html [OWNER]: to standard output. */
int main(int argc, char **argv)
{
	_cleanup_(profile_freep) struct profile *p = argc > 2 ? make(argv[1]) : NULL;
	uint32_t owner = argc > 3 ? (uint32_t)atoi(argv[3]) : PROFILE_ALL_OWNERS;
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, 256u << 20);
	if (!p)
		return 2;
	if (!strcmp(argv[2], "pprof"))
		CHECK_INT(pprof_write(p, owner, &out), 0);
	else if (!strcmp(argv[2], "folded"))
		CHECK_INT(folded_write(p, owner, &out), 0);
	else if (!strcmp(argv[2], "summary"))
		CHECK_INT(output_summary(p, 20, 80, false, &out), 0);
	else if (!strcmp(argv[2], "html"))
		CHECK_INT(output_html(p, argv[1], &out), 0);
	else
		return 2;
	CHECK_INT(sys_write_all(STDOUT_FILENO, out.data, out.len), 0);
	return 0;
}
