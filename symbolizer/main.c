/* fleetprof-symbolizer: a command for people, and the sandboxed helper of the core. */
#include "agent/base/log.h"
#include "symbolizer/cli.h"

int main(int argc, char **argv)
{
	log_init("fleetprof-symbolizer", LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	return cli_main(argc, argv);
}
