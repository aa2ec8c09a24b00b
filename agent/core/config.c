/* The settings of `fleetprof agent`: loaded, compared, freed. */
#include "agent/core/config.h"
#include "agent/base/sys.h"
#include "agent/core/budget.h"
#include "agent/core/config_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define HELP_MAX (1u << 20)

enum { OPTION_CHECK = 256, OPTION_EXAMPLE, OPTION_ROWS };

/* The command line, still as text. */
struct line {
	const char *file;
	bool check, example, help;
	struct {
		const struct config_row *row;
		const char *text;
	} * flags;
	size_t nr_flags;
	struct option *options;
	char (*names)[CONFIG_KEY_MAX];
};

static void line_deinit(struct line *line)
{
	free(line->flags);
	free(line->options);
	free(line->names);
}
DEFINE_CLEANUP_EMBEDDED(struct line, line_deinit)

static int make_options(struct line *line)
{
	static const struct option fixed[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", required_argument, NULL, OPTION_CHECK },
		{ "example-config", no_argument, NULL, OPTION_EXAMPLE },
		{ "help", no_argument, NULL, 'h' },
	};
	size_t nr = config_table.nr;

	line->options = calloc(nr + ARRAY_SIZE(fixed) + 1, sizeof(*line->options));
	line->names = calloc(nr, sizeof(*line->names));
	if (!line->options || !line->names)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		const struct config_row *row = &config_table.rows[i];

		config_flag(row, line->names[i]);
		line->options[i] = (struct option) {
			.name = line->names[i] + strlen("--"),
			.has_arg = row->type == CONFIG_BOOL ? optional_argument : required_argument,
			.val = OPTION_ROWS + (int)i,
		};
	}
	memcpy(line->options + nr, fixed, sizeof(fixed));
	return 0;
}

static int unknown_flag(const char *flag, struct err *err)
{
	_cleanup_(freep) char *key = strdup(flag + strspn(flag, "-"));
	char scratch[CONFIG_KEY_MAX], proper[CONFIG_KEY_MAX];
	const char *nearest;

	if (!key)
		return -ENOMEM;
	key[strcspn(key, "=")] = '\0';
	for (char *c = key; *c; c++)
		*c = *c == '-' ? '_' : *c;
	nearest = config_nearest(&config_table, key, scratch);
	if (!nearest || config_find(&config_table, nearest) < 0)
		return err_set(err, -EINVAL, "unknown option %s (see fleetprof agent --help)",
			       flag);
	config_flag(&config_table.rows[config_find(&config_table, nearest)], proper);
	return err_set(err, -EINVAL, "unknown option %s (did you mean %s?)", flag, proper);
}

static int take_flag(struct line *line, int c, char **argv, struct err *err)
{
	switch (c) {
	case 'h':
		line->help = true;
		return 0;
	case OPTION_CHECK:
		line->check = true;
		line->file = optarg;
		return 0;
	case 'c':
		line->file = optarg;
		return 0;
	case OPTION_EXAMPLE:
		line->example = true;
		return 0;
	case ':':
		return err_set(err, -EINVAL, "%s needs a value (see fleetprof agent --help)",
			       argv[optind - 1]);
	case '?':
		return unknown_flag(argv[optind - 1], err);
	}
	line->flags[line->nr_flags].row = &config_table.rows[c - OPTION_ROWS];
	line->flags[line->nr_flags++].text = optarg ? optarg : "true";
	return 0;
}

static int parse_line(struct line *line, int argc, char **argv, struct err *err)
{
	int c, r = make_options(line);

	line->flags = calloc((size_t)argc + 1, sizeof(*line->flags));
	if (r || !line->flags)
		return -ENOMEM;
	optind = 0; /* GNU: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:h", line->options, NULL)) != -1) {
		r = take_flag(line, c, argv, err);
		if (r)
			return r;
	}
	if (optind < argc)
		return err_set(err, -EINVAL,
			       "%s: not an option (the value of a switch comes behind =, as in "
			       "--web-enabled=false)",
			       argv[optind]);
	return 0;
}

static const char *get_env(char **env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++) {
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

static int read_file(struct config *config, const char *path, bool required, struct err *err)
{
	/* Never waits: a FIFO is refused below. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_(buf_deinitp) struct buf text;
	struct stat st;
	int r;

	buf_init(&text, CONFIG_FILE_MAX);
	if (fd < 0 && errno == ENOENT && !required)
		return 0;
	if (fd < 0)
		return err_errno(err, err_last(), "cannot read the settings in %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, err_last(), "cannot read the settings in %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is not a regular file", path);
	r = sys_read_all(fd, &text);
	if (r == -ENOSPC)
		return err_set(err, -EINVAL, "%s: larger than %u KiB: not a file of settings", path,
			       CONFIG_FILE_MAX >> 10);
	if (r < 0)
		return err_errno(err, r, "cannot read the settings in %s", path);
	return config_apply_file(config, path, buf_str(&text), text.len, err);
}

static int apply_flags(struct config *config, const struct line *line, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < line->nr_flags && !r; i++) {
		const struct config_row *row = line->flags[i].row;
		bool more = false;
		char flag[CONFIG_KEY_MAX];

		for (size_t j = 0; j < i; j++)
			more |= line->flags[j].row == row;
		config_flag(row, flag);
		r = config_apply_text(config, row, flag, line->flags[i].text, more, err);
	}
	return r;
}

static int resolve_number(struct config_user *user)
{
	_cleanup_(freep) char *uid_text = strdup(user->name);
	char *colon = uid_text ? strchr(uid_text, ':') : NULL;
	uint64_t uid, gid;

	if (!uid_text)
		return -ENOMEM;
	if (colon)
		*colon = '\0';
	if (sys_parse_u64(uid_text, 10, 0, UINT32_MAX - 1, &uid) < 0)
		return -EINVAL;
	gid = uid;
	if (colon && sys_parse_u64(colon + 1, 10, 0, UINT32_MAX - 1, &gid) < 0)
		return -EINVAL;
	user->uid = (uint32_t)uid;
	user->gid = (uint32_t)gid;
	return 0;
}

static int resolve_user(struct config_user *user, const char *key, struct err *err)
{
	const struct passwd *pw = NULL;
	int r;

	if (!strcmp(user->name, "auto"))
		return 0;
	r = resolve_number(user);
	if (r == -ENOMEM)
		return r;
	if (r) {
		pw = getpwnam(user->name);
		if (!pw)
			return err_set(err, -EINVAL, "%s: there is no user \"%s\" on this host",
				       key, user->name);
		user->uid = pw->pw_uid;
		user->gid = pw->pw_gid;
	}
	if (!user->uid || !user->gid)
		return err_set(err, -EINVAL,
			       "%s: root and its group are refused: this process "
			       "must have no privileges",
			       key);
	user->set = true;
	return 0;
}

static int resolve_node(struct config *config, struct err *err)
{
	char name[256] = "";

	if (*config->node)
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0 || !*name)
		return err_set(err, -EINVAL, "node: this host has no name; set one");
	free(config->node);
	config->node = strdup(name);
	return config->node ? 0 : -ENOMEM;
}

static int resolve_memory(struct config *config, struct err *err)
{
	unsigned int nr_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	struct err what = ERR_NULL;
	struct budget budget;
	int r;

	if (!config->memory.limit)
		config->memory.limit = budget_default_limit(nr_cpus);
	r = budget_divide(config->memory.limit, nr_cpus, &budget, &what);
	return r ? err_set(err, -EINVAL, "memory.limit: %s", what.text) : 0;
}

static int resolve(struct config *config, struct err *err)
{
	int r = resolve_node(config, err);

	if (!r)
		r = resolve_memory(config, err);
	if (!r)
		r = resolve_user(&config->user.exporter, "user.exporter", err);
	if (!r)
		r = resolve_user(&config->user.symbolizer, "user.symbolizer", err);
	if (!r)
		r = resolve_user(&config->user.opener, "user.opener", err);
	return r;
}

static int load(const struct line *line, char **env, struct config **ret, struct err *err)
{
	_cleanup_(config_freep) struct config *config = calloc(1, sizeof(*config));
	const char *file = line->file ? line->file : get_env(env, "FLEETPROF_CONFIG");
	int r = config ? config_defaults(&config_table, config) : -ENOMEM;

	if (!r)
		r = read_file(config, file ? file : CONFIG_FILE_DEFAULT, file, err);
	if (!r)
		r = config_apply_env(config, env, err);
	if (!r)
		r = apply_flags(config, line, err);
	if (!r)
		r = config_check(config, err);
	if (!r)
		r = resolve(config, err);
	if (!r)
		r = config_try_exporter(config, err);
	if (!r)
		*ret = TAKE_PTR(config);
	return r;
}

static int answer(int (*make)(struct buf *out))
{
	_cleanup_(buf_deinitp) struct buf out;
	int r;

	buf_init(&out, HELP_MAX);
	r = make(&out);
	if (r)
		return r;
	fputs(buf_str(&out), stdout);
	return fflush(stdout) ? err_last() : CONFIG_E_DONE;
}

int config_load(struct config **ret, int argc, char **argv, char **env, struct err *err)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(line_deinitp) struct line line = { 0 };
	int r = parse_line(&line, argc, argv, err);

	if (!r && line.help)
		return answer(config_help);
	if (!r && line.example)
		return answer(config_example);
	if (!r)
		r = load(&line, env, &config, err);
	if (r)
		return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
	if (line.check) {
		printf("%s: good\n", line.file);
		return CONFIG_E_DONE;
	}
	*ret = TAKE_PTR(config);
	return 0;
}

struct config *config_free(struct config *config)
{
	if (config)
		config_clear(&config_table, config);
	free(config);
	return NULL;
}

unsigned int config_diff(const struct config *old, const struct config *new,
			 struct buf *ret_restart)
{
	unsigned int groups = 0;

	for (size_t i = 0; i < config_table.nr; i++) {
		const struct config_row *row = &config_table.rows[i];

		if (config_value_equal(row, old, new))
			continue;
		groups |= row->group;
		if (row->group == CONFIG_RESTART && ret_restart)
			buf_addf(ret_restart, "%s%s", ret_restart->len ? ", " : "", row->key);
	}
	return groups;
}
