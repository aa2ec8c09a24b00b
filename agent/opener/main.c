/* fleetprof-opener: opens files of other processes for the core, and does nothing else. */
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "agent/opener/server.h"

#include <signal.h>
#include <string.h>

#define DEADLINE_MS 2000

int main(int argc, char **argv)
{
	static const cap_value_t keep[] = { CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE,
					    CAP_DAC_READ_SEARCH };
	struct err err = ERR_NULL;
	uint64_t socket, uid = 0;

	log_init("fleetprof-opener", LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	if (sys_answers_version("fleetprof-opener", argc, argv))
		return 0;
	/* --serve FD [--user UID] */
	if ((argc != 3 && argc != 5) || strcmp(argv[1], "--serve") ||
	    sys_parse_u64(argv[2], 10, 0, 1023, &socket) ||
	    (argc == 5 &&
	     (strcmp(argv[3], "--user") || sys_parse_u64(argv[4], 10, 1, UINT32_MAX - 1, &uid)))) {
		log_error("this program is started by fleetprof, not by hand");
		return 2;
	}
	signal(SIGINT,
	       SIG_IGN); /* the terminal's Ctrl-C is for the core, which then closes the socket */
	if (privilege_drop(keep, ARRAY_SIZE(keep), (uint32_t)uid, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	return opener_serve((int)socket, DEADLINE_MS) < 0;
}
