/* fleetprof-exporter: the process that stores, uploads and serves, without any privilege. */
#include "agent/base/loop.h"
#include "agent/base/sys.h"
#include "agent/exporter/exporter.h"

#include <signal.h>

int main(int argc, char **argv)
{
	_cleanup_(options_deinitp) struct options options = { .help = false };
	struct err err = ERR_NULL;
	int r;

	log_init("fleetprof-exporter", LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	if (sys_answers_version("fleetprof-exporter", argc, argv))
		return 0;
	r = options_parse(&options, argc, argv, &err);
	if (r < 0 && options.check)
		printf("%s", err.text[0] ? err.text : err_str(r));
	else if (r < 0)
		log_error("%s", err.text[0] ? err.text : err_str(r));
	if (r < 0)
		return 2;
	if (options.check)
		return 0;
	if (options.help) {
		fputs(options_help, stdout);
		return 0;
	}
	log_init("fleetprof-exporter", options.log_level, LOG_FORMAT_AUTO);
	r = exporter_run(&options, &err);
	if (r < 0)
		log_error("%s", err.text[0] ? err.text : err_str(r));
	return r < 0 ? 1 : 0;
}
