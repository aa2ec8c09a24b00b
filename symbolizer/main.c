/* fleetprof-symbolizer: a command for people, and the sandboxed helper of the core. */
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "symbolizer/cli.h"
#include "symbolizer/supervisor.h"

#include <signal.h>
#include <string.h>

#define MAX_CHILDREN 4
#define DEADLINE_MS 20000
#define CHILD_MEMORY (512ULL << 20)

static int serve(const char *socket_text)
{
	const struct supervisor_config config = { .max_children = MAX_CHILDREN,
						  .deadline_ms = DEADLINE_MS,
						  .child_memory = CHILD_MEMORY };
	struct err err = ERR_NULL;
	uint64_t socket;
	int r;

	if (sys_parse_u64(socket_text, 10, 0, 1023, &socket)) {
		log_error("--supervisor is for fleetprof, not for hand use");
		return 2;
	}
	signal(SIGINT,
	       SIG_IGN); /* the terminal's Ctrl-C is for the core, which then closes the socket */
	r = privilege_drop(NULL, 0, privilege_spare_uid(), &err);
	if (!r)
		r = supervisor_serve((int)socket, &config, &err);
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
	if (argc == 3 && !strcmp(argv[1], "--supervisor"))
		return serve(argv[2]);
	return cli_main(argc, argv);
}
