/*
 * The exporter asked about its part of the settings.
 *
 * Regular expressions and URLs are read there, by libraries that this process does not have. An exporter that refuses its
 * arguments would not start, so it is asked before settings are taken.
 */
#include "agent/base/capture.h"
#include "agent/base/sys.h"
#include "agent/core/config_internal.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX 2048
#define EXIT_USAGE 2

static int ask(const struct config *config, char *program, struct buf *answer, int *ret_status)
{
	_cleanup_(config_argv_freep) char **argv = NULL;
	_cleanup_(freep) char **asking = NULL;
	size_t nr = 0;
	int r = config_exporter_argv(config, program, &argv);

	if (r)
		return r;
	while (argv[nr])
		nr++;
	asking = calloc(nr + 2, sizeof(*asking));
	if (!asking)
		return -ENOMEM;
	asking[0] = argv[0];
	asking[1] = (char *)"--check"; /* first: then every answer is printed */
	memcpy(asking + 2, argv + 1, (nr - 1) * sizeof(*asking));
	return capture_output(asking, answer, ret_status);
}

int config_try_exporter(const struct config *config, struct err *err)
{
	_cleanup_(freep) char *program = NULL;
	_cleanup_(buf_deinitp) struct buf answer;
	int status = 0, r;

	buf_init(&answer, ANSWER_MAX);
	/* All else was checked here; and where there is no exporter, its absence is what to tell, elsewhere. */
	if ((!config->upload.nr && !config->relabel.nr) ||
	    sys_helper_path("fleetprof-exporter", &program) < 0)
		return 0;
	r = ask(config, program, &answer, &status);
	if (r == -ENOMEM)
		return r;
	if (r || status != EXIT_USAGE) /* it could not be asked: its start will tell */
		return 0;
	return err_set(err, -EINVAL, "the exporter refuses these settings: %s", buf_str(&answer));
}
