/* `fleetprof doctor`: the findings, and how they are told. */
#include "agent/core/doctor.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/core/doctor_internal.h"
#include "agent/core/table.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#define EXIT_DEGRADED 1
#define EXIT_CANNOT_SAMPLE 2
#define OUT_MAX (1u << 20)
#define NAME_COLUMNS 20
#define WIDTH_DEFAULT 100

static const char help[] =
	"usage: fleetprof doctor [OPTION…]\n"
	"\n"
	"Says what this host can do, what it cannot, and what to change. Changes nothing.\n"
	"\n"
	"  -c, --config FILE      the agent's settings (default " CONFIG_FILE_DEFAULT
	", if there)\n"
	"      --json             one JSON object, for programs\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit status: 0 everything works, 1 it works with less, 2 nothing can be sampled.\n";

static const char *const states[] = { "ok", "warn", "FAIL" };
static const char *const json_states[] = { "ok", "warn", "fail" };
static const char *const colours[] = { "32", "33", "31" };

void doctor_add(struct doctor *d, enum doctor_state state, const char *name, const char *advice,
		const char *fmt, ...)
{
	struct doctor_finding *f = &d->findings[d->nr];
	va_list ap;

	if (d->nr == DOCTOR_FINDINGS_MAX)
		return;
	d->nr++;
	f->state = state;
	f->name = name;
	snprintf(f->advice, sizeof(f->advice), "%s", advice ? advice : "");
	va_start(ap, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
}

bool doctor_read(const struct doctor *d, const char *path, char *ret, size_t size)
{
	_cleanup_(closep) int fd = openat(d->root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return false;
	while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == '\0'))
		n--;
	ret[n] = '\0';
	return true;
}

bool doctor_read_number(const struct doctor *d, const char *path, int64_t *ret)
{
	char text[64], *end;

	if (!doctor_read(d, path, text, sizeof(text)))
		return false;
	*ret = strtoll(text, &end, 10);
	return end != text;
}

int doctor_exit_status(const struct doctor *d)
{
	enum doctor_state worst = DOCTOR_OK;

	for (size_t i = 0; i < d->nr; i++)
		worst = MAX(worst, d->findings[i].state);
	return worst == DOCTOR_FAIL ? EXIT_CANNOT_SAMPLE : worst == DOCTOR_WARN ? EXIT_DEGRADED : 0;
}

/* Words of text, in lines that begin at `column`. The first has `used` columns already. */
static void add_text(struct table *t, const char *text, size_t column)
{
	size_t used = column;

	for (const char *word = text; *word;) {
		size_t len = strcspn(word, " ");
		_cleanup_(freep) char *one = strndup(word, len);
		_cleanup_(buf_deinitp) struct buf shown;

		buf_init(&shown, OUT_MAX);
		text_for_terminal(&shown, one ? one : "", TEXT_NO_LIMIT);
		if (used > column && used + 1 + shown.len > t->width) {
			buf_addf(t->out, "\n%*s", (int)column, "");
			used = column;
		} else if (used > column) {
			buf_addc(t->out, ' ');
			used++;
		}
		buf_adds(t->out, buf_str(&shown));
		used += shown.len;
		word += len;
		word += *word == ' ';
	}
	buf_addc(t->out, '\n');
}

static const char *verdict(const struct doctor *d)
{
	switch (doctor_exit_status(d)) {
	case 0:
		return "Everything works.";
	case EXIT_DEGRADED:
		return "It works, with less: see the lines that begin with warn.";
	}
	return "Nothing can be sampled: see the lines that begin with FAIL.";
}

int doctor_print(const struct doctor *d, size_t width, bool colour, struct buf *out)
{
	struct table t = { .out = out, .width = width, .colour = colour };
	size_t column = 6 + NAME_COLUMNS;

	for (size_t i = 0; i < d->nr; i++) {
		const struct doctor_finding *f = &d->findings[i];

		table_style(&t, colours[f->state]);
		buf_addf(out, "%-4s  ", states[f->state]);
		table_style(&t, "0");
		buf_addf(out, "%-*s", NAME_COLUMNS, f->name);
		add_text(&t, f->what, column);
		if (!*f->advice)
			continue;
		buf_addf(out, "%*s→ ", (int)column - 2, "");
		add_text(&t, f->advice, column);
	}
	buf_addf(out, "\n%s\n", verdict(d));
	return out->error;
}

int doctor_print_json(const struct doctor *d, struct buf *out)
{
	buf_addf(out, "{\"version\":\"%s\",\"exit_status\":%d,\"findings\":[", FLEETPROF_VERSION,
		 doctor_exit_status(d));
	for (size_t i = 0; i < d->nr; i++) {
		const struct doctor_finding *f = &d->findings[i];

		buf_addf(out, "%s\n{\"name\":\"%s\",\"state\":\"%s\",\"what\":", i ? "," : "",
			 f->name, json_states[f->state]);
		text_for_json_in_script(out, f->what);
		buf_adds(out, ",\"advice\":");
		text_for_json_in_script(out, f->advice);
		buf_addc(out, '}');
	}
	return buf_adds(out, "\n]}\n");
}

/* The agent's settings, as the agent would have them; a finding if it would not start with them. */
static void load_config(struct doctor *d, const char *file, struct config **ret)
{
	char *argv[] = { "agent", "--config", (char *)file, NULL };
	struct err err = ERR_NULL;

	if (config_load(ret, file ? 3 : 1, argv, environ, &err) < 0) {
		doctor_add(d, DOCTOR_WARN, "settings",
			   "the agent does not start with these settings: correct them (fleetprof "
			   "agent --help, --example-config)",
			   "%s", err.text);
		return;
	}
	d->config = *ret;
	doctor_add(d, DOCTOR_OK, "settings", NULL, "can be read: %llu samples per second and CPU",
		   (unsigned long long)d->config->rate);
}

static void look(struct doctor *d)
{
	doctor_kernel(d);
	doctor_security(d);
	doctor_privileges(d);
	doctor_programs(d);
	doctor_sampling(d);
	doctor_interrupts(d);
	doctor_host(d);
}

static int parse(int argc, char **argv, const char **ret_config, bool *ret_json, struct err *err)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	optind = 0; /* GNU: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:h", options, NULL)) != -1) {
		if (c == 'h')
			return 1;
		if (c == 'c')
			*ret_config = optarg;
		else if (c == 'j')
			*ret_json = true;
		else
			return err_set(err, -EINVAL,
				       "unknown option or missing value: %s (see "
				       "fleetprof doctor --help)",
				       argv[optind - 1]);
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "%s: not an option", argv[optind]);
	return 0;
}

int doctor_main(int argc, char **argv)
{
	_cleanup_(closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(config_freep) struct config *config = NULL;
	struct doctor d = { .root_fd = root_fd };
	_cleanup_(buf_deinitp) struct buf out;
	const char *file = NULL;
	struct err err = ERR_NULL;
	bool json = false;
	int r = parse(argc, argv, &file, &json, &err);

	buf_init(&out, OUT_MAX);
	if (r > 0) {
		fputs(help, stdout);
		return 0;
	}
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_CANNOT_SAMPLE;
	}
	load_config(&d, file, &config);
	look(&d);
	r = json ? doctor_print_json(&d, &out)
		 : doctor_print(&d, table_terminal_width(WIDTH_DEFAULT), isatty(STDOUT_FILENO),
				&out);
	if (!r)
		r = sys_write_all(STDOUT_FILENO, buf_str(&out), out.len);
	if (r < 0 && r != -EPIPE)
		log_error("cannot write: %s", err_str(r));
	return doctor_exit_status(&d);
}
