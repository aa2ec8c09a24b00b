/* The settings: sources and their order, every error at its place, the example equal to the defaults. */
#include "agent/base/clock.h"
#include "agent/core/budget.h"
#include "agent/core/config_internal.h"
#include "tests/test.h"

#include <errno.h>

static struct config *defaults(void)
{
	struct config *c = calloc(1, sizeof(*c));

	CHECK(c);
	CHECK_INT(config_defaults(&config_table, c), 0);
	return c;
}

static int apply(struct config *c, const char *text, struct err *err)
{
	return config_apply_file(c, "f.yaml", text, strlen(text), err);
}

/* text is refused, and the sentence begins with where and holds what. */
static void refused(const char *text, const char *where, const char *what)
{
	_cleanup_(config_freep) struct config *c = defaults();
	struct err e = ERR_NULL;
	int r = apply(c, text, &e);

	if (!r)
		r = config_check(c, &e);
	if (r != -EINVAL || strncmp(e.text, where, strlen(where)) || !strstr(e.text, what)) {
		fprintf(stderr, "%s\n→ %d \"%s\", expected \"%s\" … \"%s\"\n", text, r, e.text,
			where, what);
		exit(1);
	}
}

/* config_load() with a file of this text; ret is NULL unless it returns 0. */
static struct config *load(const char *text, char **env, int argc, char **argv, int *ret_r,
			   struct err *err)
{
	char path[] = "/tmp/test_config-XXXXXX", option[64];
	char *args[16] = { "agent", option };
	int fd = mkstemp(path);
	struct config *c = NULL;

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	snprintf(option, sizeof(option), "--config=%s", path);
	for (int i = 0; i < argc; i++)
		args[2 + i] = argv[i];
	*ret_r = config_load(&c, 2 + argc, args, env, err);
	unlink(path);
	return c;
}

#define FLAGS(...)                                                                                 \
	(int)(sizeof((char *[]) { __VA_ARGS__ }) / sizeof(char *)), ((char *[]) { __VA_ARGS__ })

static void test_defaults(void)
{
	_cleanup_(config_freep) struct config *c = defaults();
	struct err e = ERR_NULL;

	CHECK_INT(config_check(c, &e), 0);
	CHECK_INT(c->rate, 19);
	CHECK_INT(c->window_ns, 60 * NSEC_PER_SEC);
	CHECK_INT(c->watch_window_ns, 10 * NSEC_PER_SEC);
	CHECK_STR(c->state_dir, "/var/lib/fleetprof");
	CHECK_INT(c->store.max_bytes, 2ull << 30);
	CHECK_INT(c->store.max_age_ns, 7 * 86400 * NSEC_PER_SEC);
	CHECK_INT(c->store.max_share, 5);
	CHECK_STR(c->web.listen, "127.0.0.1:4344");
	CHECK_INT(c->log.level, LOG_LEVEL_INFO);
	CHECK_INT(c->log.format, LOG_FORMAT_AUTO);
	CHECK(!c->user.exporter.set);
}

static void test_everything(void)
{
	static const char text[] = "rate: 97\n"
				   "window: 2m\n"
				   "watch_window: \"15s\"\n"
				   "memory: {limit: 64MiB}\n"
				   "node: n1\n"
				   "kill_switch: ''\n"
				   "filter:\n"
				   "  cgroups: [/a, /b/c]\n"
				   "  containers: web\n"
				   "store:\n"
				   "  max_age: 1d12h\n"
				   "  max_share: 7 %\n"
				   "web:\n"
				   "  enabled: false\n"
				   "  listen: '[::1]:0'\n"
				   "upload:\n"
				   "  - url: https://a.example\n"
				   "    basic: {user: u, password_file: /p}\n"
				   "    headers: {X-A: 'b, c', X-B: d}\n"
				   "    fraction: 0.25\n"
				   "  - http://b:4040\n"
				   "  - {url: 'http://b', name: third}\n"
				   "labels: {region: eu, cluster: blue}\n"
				   "relabel:\n"
				   "  - {action: drop, source_labels: [a, b], regex: x|y}\n"
				   "log: {level: debug, format: logfmt}\n";
	_cleanup_(config_freep) struct config *c = defaults();
	struct err e = ERR_NULL;

	CHECK_INT(apply(c, text, &e), 0);
	CHECK_INT(c->rate, 97);
	CHECK_INT(c->window_ns, 120 * NSEC_PER_SEC);
	CHECK(!c->web.enabled);
	CHECK_INT(c->memory.limit, 64 << 20);
	CHECK_STR(c->kill_switch, "");
	CHECK_INT(c->filter.cgroups.nr, 2);
	CHECK_STR(c->filter.cgroups.items[1], "/b/c");
	CHECK_STR(c->filter.containers.items[0], "web");
	CHECK_INT(c->store.max_age_ns, 36 * 3600 * NSEC_PER_SEC);
	CHECK_INT(c->store.max_share, 7);
	CHECK_INT(c->upload.nr, 3);
	CHECK_STR(c->upload.items[0].basic.password_file, "/p");
	CHECK_STR(c->upload.items[0].headers.items[1].value, "d");
	CHECK(c->upload.items[0].fraction == 0.25);
	CHECK_STR(c->upload.items[1].url, "http://b:4040");
	CHECK_INT(c->upload.items[1].rate_bytes, 32768);
	CHECK_INT(c->relabel.items[0].action, CONFIG_RELABEL_DROP);
	CHECK_STR(c->relabel.items[0].source_labels.items[1], "b");
	CHECK_STR(c->relabel.items[0].replacement, "$1");
	CHECK_INT(c->log.level, LOG_LEVEL_DEBUG);
	refused(text, "upload, entries 1 and 2", "give each a name");
}

static void test_names(void)
{
	refused("uplod:\n  - url: x\n",
		"f.yaml:1:1:", "unknown key \"uplod\" (did you mean \"upload\"?)");
	refused("rate: 19\nmemory:\n  limt: 1\n",
		"f.yaml:3:3:", "unknown key \"memory.limt\" (did you mean \"memory.limit\"?)");
	refused("upload:\n  - urll: http://x\n", "f.yaml:2:5:", "\"urll\" (did you mean \"url\"?)");
	refused("max_bytes: 1GiB\n", "f.yaml:1:1:", "did you mean \"store.max_bytes\"?");
	refused("wnidow: 60s\n", "f.yaml:1:1:", "did you mean \"window\"?");
	refused("zzzzzzzz: 1\n", "f.yaml:1:1:", "--example-config shows all");
	refused("\"a\\u001b[31mb\": 1\n", "f.yaml:1:1:", "\\x1b[31m");
	refused("? [a]\n: b\n", "f.yaml:1:3:", "a key must be a text");
	refused("memory.limit: 64MiB\nmemory: {limit: 64MiB}\n", "f.yaml:2:10:", "twice");
	refused("rate: 1\nweb: {}\nrate: 2\n", "f.yaml:3:1:", "first in line 1");
	refused("labels: {a: b, a: c}\n", "f.yaml:1:16:", "\"a\" is here twice");
}

static void test_types(void)
{
	refused("rate: fast\n",
		"f.yaml:1:7:", "rate: \"fast\" is not a whole number from 1 to 10000");
	refused("rate: 0\n", "f.yaml:1:7:", "from 1 to 10000");
	refused("rate: 1e3\n", "f.yaml:1:7:", "");
	refused("rate: [19]\n", "f.yaml:1:7:", "rate: a list where a whole number");
	refused("rate: {a: 1}\n", "f.yaml:1:7:", "a map where a whole number");
	refused("rate:\n", "f.yaml:1:6:", "nothing where a whole number");
	refused("memory: 64MiB\n", "f.yaml:1:9:", "memory: holds further keys");
	refused("memory: {limit: 128MB}\n", "f.yaml:1:17:", "KiB, MiB");
	refused("memory: {limit: 63MiB}\n", "f.yaml:1:17:", "from 64MiB to 1TiB");
	refused("memory: {limit: 99999999999999999999MiB}\n", "f.yaml:1:17:", "size");
	refused("memory: {limit: 17592186044416MiB}\n", "f.yaml:1:17:", "size");
	refused("window: 60\n", "f.yaml:1:9:", "a duration from 1s to 10m");
	refused("window: -60s\n", "f.yaml:1:9:", "duration");
	refused("store: {max_share: 101%}\n", "f.yaml:1:20:", "0% to 100%");
	refused("web: {enabled: yes}\n", "f.yaml:1:16:", "true or false");
	refused("log: {level: trace}\n", "f.yaml:1:14:", "one of error, warn, info, debug");
	refused("state_dir: var/lib\n", "f.yaml:1:12:", "an absolute path");
	refused("state_dir: ''\n", "f.yaml:1:12:", "an absolute path");
	refused("kill_switch: off\n", "f.yaml:1:14:", "an absolute path or \"\"");
	refused("node: \"a\\nb\"\n", "f.yaml:1:7:", "control characters");
	refused("filter: {cgroups: {a: b}}\n", "f.yaml:1:19:", "a map where a list");
	refused("filter: {cgroups: [[a]]}\n", "f.yaml:1:20:", "not a text");
	refused("filter: {cgroups: ['']}\n", "f.yaml:1:20:", "empty");
	refused("labels: [a]\n", "f.yaml:1:9:", "a list where a map");
	refused("labels: {a: [b]}\n", "f.yaml:1:13:", "labels.a: a list where a text");
	refused("upload: [{tenant: a}]\n", "f.yaml:1:10:", "upload: its url is missing");
	refused("relabel: [drop]\n", "f.yaml:1:11:", "a single value where");
	refused("upload: [[a]]\n", "f.yaml:1:10:", "a list where");
	refused("upload: [{url: 'http://x', fraction: 1.5}]\n",
		"f.yaml:1:38:", "a number from 0 to 1");
	refused("upload: [{url: 'http://x', fraction: nan}]\n", "f.yaml:1:38:", "a number");
	refused("upload: [a, a, a, a, a, a, a, a, a]\n", "f.yaml:1:34:", "more than 8 entries");
	refused("- rate\n", "f.yaml:1:1:", "a list where settings");
	refused("rate\n", "f.yaml:1:1:", "where settings");
}

static void test_yaml(void)
{
	char *bomb = NULL, *deep = NULL, *wide = NULL;
	size_t size;
	FILE *f;

	refused("a: &x [1]\nb: *x\n", "f.yaml:1:4:", "an anchor");
	refused("rate: *x\n", "f.yaml:1:7:", "an alias");
	refused("*x : 1\n", "f.yaml:1:1:", "an alias");
	refused("rate: !!int 19\n", "f.yaml:1:7:", "a tag");
	refused("!foo bar: 19\n", "f.yaml:1:1:", "a tag");
	refused("rate: 19\n---\nrate: 20\n", "f.yaml:2:1:", "a second document");
	refused("rate: 19\n\tmemory: 1\n", "f.yaml:2:1:", "not tabs");
	refused("rate: [19\n", "f.yaml:2:1:", "");
	refused("rate: 19 : 20\n", "f.yaml:1:10:", "");
	refused("node: \xff\xfe\n", "f.yaml:1:", "invalid leading UTF-8 octet (at byte 6)");
	refused("node: \x01\n", "f.yaml:1:", "control characters are not allowed (at byte 6)");
	refused("node: \"\\0\"\n", "f.yaml:1:7:", "a NUL");
	refused("node: \"\\ud800\"\n", "f.yaml:1:", "");
	f = open_memstream(&bomb, &size);
	fprintf(f, "a0: &a0 [x]\n");
	for (int i = 1; i < 30; i++)
		fprintf(f, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
	fclose(f);
	refused(bomb, "f.yaml:1:5:", "an anchor");
	f = open_memstream(&deep, &size);
	fprintf(f, "labels: ");
	for (int i = 0; i < 10000; i++)
		fputc('[', f);
	fclose(f);
	refused(deep, "f.yaml:1:24:", "nested too deeply");
	f = open_memstream(&wide, &size);
	fprintf(f, "filter: {cgroups: [");
	for (int i = 0; i < 30000; i++)
		fprintf(f, "a,");
	fprintf(f, "]}\n");
	fclose(f);
	refused(wide, "f.yaml:1:", "too many values");
	free(bomb);
	free(deep);
	free(wide);
}

static void test_harmless_yaml(void)
{
	static const char *const texts[] = { "",
					     "\n",
					     "# nothing\n",
					     "---\n",
					     "---\n{}\n...\n",
					     "~\n",
					     "memory:\nfilter:\n  cgroups:\nupload:\nlabels:\n",
					     "\xef\xbb\xbfrate: 19\n",
					     "rate: 19\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(config_freep) struct config *c = defaults(), *d = defaults();
		struct err e = ERR_NULL;

		CHECK_INT(apply(c, texts[i], &e), 0);
		CHECK_INT(config_diff(c, d, NULL), 0);
	}
}

static void test_together(void)
{
	refused("window: 7m\nwatch_window: 2m\n", "watch_window:", "whole number");
	refused("window: 25s\n", "window:", "whole number");
	refused("web: {listen: '0.0.0.0:80'}\n", "web.listen:", "web.allow_remote: true");
	refused("web: {listen: '127.0.0.1'}\n", "web.listen:", "ADDRESS:PORT");
	refused("web: {listen: '127.0.0.1:65536'}\n", "web.listen:", "ADDRESS:PORT");
	refused("web: {metrics_listen: 'x'}\n", "web.metrics_listen:", "ADDRESS:PORT");
	refused("web: {listen: 'example.com:80'}\n", "web.listen:", "not an address");
	refused("web: {listen: '[::2]:80'}\n", "web.listen:", "allow_remote");
	refused("upload: ftp://x\n", "upload, entry 1:", "http://");
	refused("upload: http://u:p@x/\n", "upload, entry 1:", "basic.password_file");
	refused("upload: 'https://x/?token=1'\n", "upload, entry 1:", "holds a ?");
	refused("upload: {url: 'http://x', basic: {user: u}}\n", "upload, entry 1:", "together");
	refused("upload: {url: 'http://x', tls: {ca: /x}}\n", "upload, entry 1:", "not https");
	refused("upload: {url: 'http://x', headers: {authorization: x}}\n",
		"upload, entry 1:", "a secret");
	refused("upload: {url: 'http://x', headers: {X-Auth-Token: x}}\n",
		"upload, entry 1:", "a secret");
	refused("upload: {url: 'http://x', headers: {'a b': x}}\n", "upload, entry 1:", "name");
	refused("labels: {1a: b}\n", "labels:", "\"1a\"");
	refused("labels: {__a: b}\n", "labels:", "\"__a\"");
	refused("relabel: {action: replace}\n", "relabel, entry 1:", "target_label");
	refused("relabel: {action: keep}\n", "relabel, entry 1:", "source_labels");
	refused("relabel: {action: hashmod, target_label: x}\n", "relabel, entry 1:", "modulus");
}

static void test_precedence(void)
{
	static char *env[] = { "HOME=/",
			       "FLEETPROF_RATE=31",
			       "FLEETPROF_WINDOW=30s",
			       "FLEETPROF_FILTER_CONTAINERS=c,d",
			       "FLEETPROF_PORT=tcp://1.2.3.4",
			       "FLEETPROF_LABELS=a=b,c=d=e",
			       NULL };
	static const char text[] = "rate: 23\n"
				   "store: {max_bytes: 1GiB}\n"
				   "filter: {containers: [a, b]}\n";
	_cleanup_(config_freep) struct config *c = NULL;
	struct err e = ERR_NULL;
	int r;

	c = load(text, env,
		 FLAGS("--window=20s", "--web-enabled=false", "--web-allow-remote",
		       "--filter-cgroups=/x", "--filter-cgroups=/y,/z", "--upload", "http://a",
		       "--upload={url: http://b, name: b}"),
		 &r, &e);
	CHECK_INT(r, 0);
	CHECK_INT(c->rate, 31);
	CHECK_INT(c->window_ns, 20 * NSEC_PER_SEC);
	CHECK_INT(c->store.max_bytes, 1 << 30);
	CHECK_INT(c->filter.containers.nr, 2);
	CHECK_STR(c->filter.containers.items[0], "c");
	CHECK_INT(c->filter.cgroups.nr, 3);
	CHECK_STR(c->filter.cgroups.items[2], "/z");
	CHECK_STR(c->labels.items[1].value, "d=e");
	CHECK(!c->web.enabled && c->web.allow_remote);
	CHECK_STR(c->upload.items[1].name, "b");
	/* What this host says. */
	CHECK(*c->node);
	CHECK_INT(c->memory.limit,
		  budget_default_limit((unsigned int)sysconf(_SC_NPROCESSORS_CONF)));
}

static void load_refused(char **env, int argc, char **argv, const char *begin, const char *what)
{
	struct err e = ERR_NULL;
	int r;

	CHECK(!load("", env, argc, argv, &r, &e));
	if (r >= 0 || strncmp(e.text, begin, strlen(begin)) || !strstr(e.text, what)) {
		fprintf(stderr, "%d \"%s\", expected \"%s\" … \"%s\"\n", r, e.text, begin, what);
		exit(1);
	}
}

static void test_flags_refused(void)
{
	static char *env[] = { "FLEETPROF_RATE=0", NULL };
	static char *pairs[] = { "FLEETPROF_LABELS=a", NULL };

	load_refused(env, 0, NULL, "FLEETPROF_RATE: \"0\"", "from 1 to 10000");
	load_refused(pairs, 0, NULL, "FLEETPROF_LABELS:", "not NAME=VALUE");
	load_refused(NULL, FLAGS("--rate", "x"), "--rate: \"x\"", "whole number");
	load_refused(NULL, FLAGS("--rate"), "--rate needs a value", "");
	load_refused(NULL, FLAGS("--raet=5"), "unknown option --raet=5", "did you mean --rate?");
	load_refused(NULL, FLAGS("--memory.limit=64MiB"), "unknown option",
		     "did you mean --memory-limit?");
	load_refused(NULL, FLAGS("-x"), "unknown option -x", "--help");
	load_refused(NULL, FLAGS("--web-enabled", "false"), "false: not an option",
		     "--web-enabled=false");
	load_refused(NULL, FLAGS("--upload", "{url: [}"), "--upload:1:", "");
	load_refused(NULL, FLAGS("--upload", "{ulr: http://x}"), "--upload:1:2:", "\"url\"");
	load_refused(NULL, FLAGS("--user-exporter=root"), "user.exporter: root", "");
	load_refused(NULL, FLAGS("--user-opener=no-such-user"), "user.opener: there is no user",
		     "no-such-user");
	load_refused(NULL, FLAGS("--config", "/nonexistent"), "cannot read the settings in", "");
	load_refused(NULL, FLAGS("--config", "/dev/null"), "/dev/null is not a regular file", "");
}

static void test_users(void)
{
	_cleanup_(config_freep) struct config *c = NULL;
	struct err e = ERR_NULL;
	int r;

	c = load("user: {exporter: nobody, symbolizer: 60001, opener: '7:8'}\n", NULL, 0, NULL, &r,
		 &e);
	CHECK_INT(r, 0);
	CHECK(c->user.exporter.set && c->user.exporter.uid);
	CHECK_INT(c->user.symbolizer.gid, 60001);
	CHECK_INT(c->user.opener.uid, 7);
	CHECK_INT(c->user.opener.gid, 8);
}

static void test_huge_file(void)
{
	_cleanup_(freep) char *text = malloc(CONFIG_FILE_MAX + 2);
	struct err e = ERR_NULL;
	int r;

	CHECK(text);
	memset(text, '#', CONFIG_FILE_MAX + 1);
	text[CONFIG_FILE_MAX + 1] = '\0';
	CHECK(!load(text, NULL, 0, NULL, &r, &e));
	CHECK_INT(r, -EINVAL);
	CHECK(strstr(e.text, "larger than 256 KiB"));
	text[CONFIG_FILE_MAX] = '\0';
	config_free(load(text, NULL, 0, NULL, &r, &e));
	CHECK_INT(r, 0);
}

/* The example is what the defaults are, and stays good when every "#" without a space behind it is taken away. */
static void test_example(void)
{
	_cleanup_(config_freep) struct config *c = defaults(), *d = defaults();
	_cleanup_(buf_deinitp) struct buf example, open;
	struct err e = ERR_NULL;
	unsigned int lines = 0;

	buf_init(&example, 1 << 20);
	buf_init(&open, 1 << 20);
	CHECK_INT(config_example(&example), 0);
	CHECK_INT(apply(c, buf_str(&example), &e), 0);
	CHECK_INT(config_diff(c, d, NULL), 0);
	for (const char *line = buf_str(&example); *line; line += strcspn(line, "\n") + 1) {
		bool is_example = line[0] == '#' && strncmp(line, "# ", 2) == 0 ? line[2] == ' '
										: line[0] == '#';

		lines += is_example;
		line += is_example;
		buf_add(&open, line, strcspn(line, "\n") + 1);
	}
	CHECK(lines > 10);
	CHECK_INT(apply(c, buf_str(&open), &e), 0);
	CHECK_INT(config_check(c, &e), 0);
	CHECK(c->upload.nr && c->relabel.nr && c->labels.nr && c->filter.exclude_containers.nr);
}

static void test_help(void)
{
	_cleanup_(buf_deinitp) struct buf help;

	buf_init(&help, 1 << 20);
	CHECK_INT(config_help(&help), 0);
	for (size_t i = 0; i < config_table.nr; i++) {
		char flag[CONFIG_KEY_MAX], variable[CONFIG_KEY_MAX];
		size_t len;

		config_flag(&config_table.rows[i], flag);
		config_variable(&config_table.rows[i], variable);
		CHECK(strstr(buf_str(&help), flag));
		CHECK(strstr(buf_str(&help), variable));
		/* Kubernetes makes variables like these from the names of services. */
		len = strlen(variable);
		CHECK(len < 5 || strcmp(variable + len - 5, "_PORT"));
		CHECK(!strstr(variable, "_SERVICE_"));
		for (size_t j = 0; j < i; j++) {
			char other[CONFIG_KEY_MAX];

			config_flag(&config_table.rows[j], other);
			CHECK(strcmp(flag, other));
		}
	}
}

static void test_rows(void)
{
	for (size_t i = 0; i < config_table.nr; i++) {
		const struct config_row *row = &config_table.rows[i];

		CHECK(row->help && row->group);
		CHECK(row->fallback || row->example);
		CHECK((row->type == CONFIG_LIST) == !!row->element);
	}
}

static void test_diff(void)
{
	static const struct {
		const char *text;
		unsigned int groups;
		const char *restart;
	} cases[] = {
		{ "rate: 20\n", CONFIG_SAMPLING, "" },
		{ "filter: {cgroups: [/a]}\n", CONFIG_FILTER, "" },
		{ "labels: {a: b}\n", CONFIG_EXPORTER, "" },
		{ "upload: [http://a]\n", CONFIG_EXPORTER, "" },
		{ "relabel: [{source_labels: [a], target_label: b}]\n", CONFIG_EXPORTER, "" },
		{ "log: {level: warn}\nrate: 3\n", CONFIG_LOG | CONFIG_SAMPLING, "" },
		{ "memory: {limit: 64MiB}\nstate_dir: /x\nkill_switch: ''\n",
		  CONFIG_RESTART | CONFIG_KILL_SWITCH, "memory.limit, state_dir" },
		{ "user: {opener: nobody}\n", CONFIG_RESTART, "user.opener" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(config_freep) struct config *c = defaults(), *d = defaults();
		_cleanup_(buf_deinitp) struct buf restart;
		struct err e = ERR_NULL;

		buf_init(&restart, 1024);
		CHECK_INT(apply(d, cases[i].text, &e), 0);
		CHECK_INT(config_diff(c, d, &restart), cases[i].groups);
		CHECK_STR(buf_str(&restart), cases[i].restart);
		CHECK_INT(config_diff(d, c, NULL), cases[i].groups);
		CHECK_INT(apply(c, cases[i].text, &e), 0);
		CHECK_INT(config_diff(c, d, NULL), 0);
	}
}

int main(void)
{
	RUN(test_rows);
	RUN(test_defaults);
	RUN(test_everything);
	RUN(test_names);
	RUN(test_types);
	RUN(test_yaml);
	RUN(test_harmless_yaml);
	RUN(test_together);
	RUN(test_precedence);
	RUN(test_flags_refused);
	RUN(test_users);
	RUN(test_huge_file);
	RUN(test_example);
	RUN(test_help);
	RUN(test_diff);
	return 0;
}
