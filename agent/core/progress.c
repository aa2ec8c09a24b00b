/* The progress line. */
#include "agent/core/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static bool shown;

bool progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

static void show(const char *text)
{
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	shown = true;
}

void progress_recording(uint64_t elapsed_ns, uint64_t duration_ns, uint64_t samples)
{
	char text[160];
	double elapsed = (double)elapsed_ns / 1e9;

	if (duration_ns)
		snprintf(text, sizeof(text),
			 "recording %.1f of %.1f s, %" PRIu64 " samples (Ctrl-C ends it early)",
			 elapsed, (double)duration_ns / 1e9, samples);
	else
		snprintf(text, sizeof(text),
			 "recording %.1f s, %" PRIu64 " samples (Ctrl-C ends it)", elapsed,
			 samples);
	show(text);
}

void progress_symbolizing(size_t pending)
{
	char text[160];

	if (!progress_wanted())
		return;
	snprintf(text, sizeof(text),
		 "finding names, %zu files to go (Ctrl-C leaves the rest as addresses)", pending);
	show(text);
}

void progress_clear(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}
