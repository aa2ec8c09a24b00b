/* fleetprof-symbolizer: a command for people, and the sandboxed helper of the core. */
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "symbolizer/cli.h"
#include "symbolizer/demangle.h"
#include "symbolizer/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define MAX_CHILDREN 4
#define DEADLINE_MS 20000
#define CHILD_MEMORY (512ULL << 20)

struct serving {
	struct supervisor_config config;
	uint64_t socket;
	uint32_t uid;
};

static int misused(void)
{
	log_error("--supervisor is for fleetprof, not for hand use");
	return 2;
}

/* FD, and then pairs: --children N, --child-memory BYTES, --user UID, --demangle HOW. */
static int parse(struct serving *s, int argc, char **argv)
{
	uint64_t v;

	*s = (struct serving) { .config = { .max_children = MAX_CHILDREN,
					    .deadline_ms = DEADLINE_MS,
					    .child_memory = CHILD_MEMORY } };
	if (argc < 1 || argc % 2 == 0 || sys_parse_u64(argv[0], 10, 0, 1023, &s->socket))
		return -EINVAL;
	for (int i = 1; i < argc; i += 2) {
		if (!strcmp(argv[i], "--demangle") &&
		    !demangle_parse(argv[i + 1], &s->config.demangle))
			continue;
		if (sys_parse_u64(argv[i + 1], 10, 1, INT64_MAX, &v) < 0)
			return -EINVAL;
		if (!strcmp(argv[i], "--children"))
			s->config.max_children = (uint32_t)MIN(v, (uint64_t)MAX_CHILDREN);
		else if (!strcmp(argv[i], "--child-memory"))
			s->config.child_memory = v;
		else if (!strcmp(argv[i], "--user") && v < UINT32_MAX)
			s->uid = (uint32_t)v;
		else
			return -EINVAL;
	}
	return 0;
}

static int serve(int argc, char **argv)
{
	struct err err = ERR_NULL;
	struct serving s;
	int r = parse(&s, argc, argv);

	if (r < 0)
		return misused();
	signal(SIGINT,
	       SIG_IGN); /* the terminal's Ctrl-C is for the core, which then closes the socket */
	r = privilege_drop(NULL, 0, s.uid ? s.uid : privilege_spare_uid(), &err);
	if (!r)
		r = supervisor_serve((int)s.socket, &s.config, &err);
	if (r && err.text[0])
		log_error("%s", err.text);
	return r < 0;
}

int main(int argc, char **argv)
{
	sys_open_standard_fds();
	log_init("fleetprof-symbolizer", LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	if (sys_answers_version("fleetprof-symbolizer", argc, argv))
		return 0;
	if (argc > 1 && !strcmp(argv[1], "--supervisor"))
		return serve(argc - 2, argv + 2);
	return cli_main(argc, argv);
}
