/* The table of settings as text: --help and the example file. */
#include "agent/core/config_internal.h"

#include <ctype.h>
#include <string.h>

#define WIDTH 100
#define COLUMN 30 /* of the help beside a flag */

/* Adds text in lines of at most WIDTH columns; the first continues the line, at `column`. */
static void add_wrapped(struct buf *out, const char *text, const char *indent, size_t column)
{
	for (const char *word = text; *word;) {
		size_t bytes = strcspn(word, " "), columns = 0;

		for (size_t i = 0; i < bytes; i++)
			columns += ((unsigned char)word[i] & 0xc0) != 0x80;
		if (column + columns + 1 > WIDTH) {
			buf_addf(out, "\n%s", indent);
			column = strlen(indent);
		} else if (word != text) {
			buf_addc(out, ' ');
			column++;
		}
		buf_add(out, word, bytes);
		column += columns;
		word += bytes;
		word += *word == ' ';
	}
	buf_addc(out, '\n');
}

static const char *meta(const struct config_row *row)
{
	static const char *const names[] = {
		[CONFIG_BOOL] = "BOOL",     [CONFIG_UINT] = "N",       [CONFIG_BYTES] = "SIZE",
		[CONFIG_DURATION] = "TIME", [CONFIG_PERCENT] = "N%",   [CONFIG_REAL] = "N",
		[CONFIG_ENUM] = "NAME",     [CONFIG_STRING] = "TEXT",  [CONFIG_PATH] = "FILE",
		[CONFIG_USER] = "USER",     [CONFIG_STRINGS] = "TEXT", [CONFIG_PAIRS] = "TEXT",
		[CONFIG_LIST] = "TEXT",
	};

	return row->meta ? row->meta : names[row->type];
}

/* "A sentence. [one of a, b; default a; FLEETPROF_X]" */
static void add_facts(struct buf *out, const struct config_row *row)
{
	char variable[CONFIG_KEY_MAX];

	buf_addf(out, "%s [", row->help);
	if (row->type == CONFIG_STRINGS || row->type == CONFIG_PAIRS || row->type == CONFIG_LIST)
		buf_adds(out, "may be repeated");
	else
		config_value_describe(row, out);
	if (row->fallback)
		buf_addf(out, "; default %s", *row->fallback ? row->fallback : "\"\"");
	config_variable(row, variable);
	buf_addf(out, "; %s%s]", variable, row->group == CONFIG_RESTART ? "; takes a restart" : "");
}

static void add_flag(struct buf *out, const char *left, const char *text)
{
	static const char indent[COLUMN + 1] = "                              ";
	size_t len = strlen(left);

	buf_adds(out, left);
	if (len + 2 > COLUMN)
		buf_addf(out, "\n%s", indent);
	else
		buf_addf(out, "%*s", (int)(COLUMN - len), "");
	add_wrapped(out, text, indent, COLUMN);
}

static void add_row_help(struct buf *out, const struct config_row *row)
{
	char flag[CONFIG_KEY_MAX], left[2 * CONFIG_KEY_MAX];
	_cleanup_(buf_deinitp) struct buf facts;

	buf_init(&facts, 4096);
	add_facts(&facts, row);
	config_flag(row, flag);
	if (row->type == CONFIG_BOOL)
		snprintf(left, sizeof(left), "  %s[=true|false]", flag);
	else
		snprintf(left, sizeof(left), "  %s %s", flag, meta(row));
	add_flag(out, left, buf_str(&facts));
}

static void add_element_help(struct buf *out, const struct config_row *row)
{
	buf_addf(out, "\nKeys of %s (in the file, or --%s '{%s: …, %s: …}'):\n", row->key, row->key,
		 row->element->rows[0].key, row->element->rows[1].key);
	for (size_t i = 0; i < row->element->nr; i++) {
		const struct config_row *inner = &row->element->rows[i];
		_cleanup_(buf_deinitp) struct buf facts;
		char left[CONFIG_KEY_MAX];

		buf_init(&facts, 4096);
		buf_addf(&facts, "%s [", inner->help);
		config_value_describe(inner, &facts);
		if (inner->fallback && *inner->fallback)
			buf_addf(&facts, "; default %s", inner->fallback);
		buf_adds(&facts, inner->required ? "; required]" : "]");
		snprintf(left, sizeof(left), "  %s", inner->key);
		add_flag(out, left, buf_str(&facts));
	}
}

int config_help(struct buf *out)
{
	buf_adds(out,
		 "usage: fleetprof agent [OPTION…]\n\n"
		 "Samples every process of every container of this host until it is stopped, keeps "
		 "the history\nof each container, shows it on a local page, and uploads it.\n\n");
	add_flag(out, "  -c, --config FILE",
		 "Read the settings from FILE (default " CONFIG_FILE_DEFAULT
		 ", if it is there; FLEETPROF_CONFIG).");
	add_flag(
		out, "      --check-config FILE",
		"Say whether FILE is good, with the environment and the flags as given; run nothing.");
	add_flag(out, "      --example-config",
		 "Print a commented example of the file, with all defaults.");
	add_flag(out, "  -h, --help", "This text.");
	buf_adds(out,
		 "\nSettings: a flag wins over its environment variable, that over the file, and "
		 "the file over\nthe default. In the file --memory-limit is limit: below memory:. "
		 "SIGHUP reads them again.\n\n");
	for (size_t i = 0; i < config_table.nr; i++)
		add_row_help(out, &config_table.rows[i]);
	for (size_t i = 0; i < config_table.nr; i++) {
		if (config_table.rows[i].element)
			add_element_help(out, &config_table.rows[i]);
	}
	return out->error;
}

static void add_comment(struct buf *out, const char *indent, const char *text)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%s# ", indent);
	buf_adds(out, prefix);
	add_wrapped(out, text, prefix, strlen(prefix));
}

/* Lines that a user may uncomment: "#" and the text, where a remark has "# ". */
static void add_commented(struct buf *out, const char *indent, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		buf_addf(out, "#%s%.*s\n", indent, (int)len, lines);
		lines += len;
		lines += *lines == '\n';
	}
}

static bool needs_quotes(const struct config_row *row)
{
	return !*row->fallback || (row->type == CONFIG_STRING && strpbrk(row->fallback, ":#"));
}

static void add_setting(struct buf *out, const struct config_row *row, const char *indent,
			const char *name)
{
	_cleanup_(buf_deinitp) struct buf facts;

	buf_init(&facts, 4096);
	add_facts(&facts, row);
	add_comment(out, indent, buf_str(&facts));
	if (row->fallback)
		buf_addf(out, needs_quotes(row) ? "%s%s: \"%s\"\n" : "%s%s: %s\n", indent, name,
			 row->fallback);
	else
		add_commented(out, indent, row->example);
}

int config_example(struct buf *out)
{
	char section[CONFIG_KEY_MAX] = "";

	buf_adds(
		out,
		"# The settings of fleetprof agent. Everything here is the default and may be left "
		"out.\n"
		"# fleetprof agent --check-config FILE says whether a file is good; systemctl "
		"reload fleetprof\n# (or SIGHUP) reads it again. Lines that begin with # and no "
		"space, or with # and\n# an indentation, are examples.\n");
	for (size_t i = 0; i < config_table.nr; i++) {
		const struct config_row *row = &config_table.rows[i];
		const char *dot = strchr(row->key, '.');
		size_t len = dot ? (size_t)(dot - row->key) : 0;

		if (dot && (strlen(section) != len || strncmp(section, row->key, len))) {
			snprintf(section, sizeof(section), "%.*s", (int)len, row->key);
			buf_addf(out, "\n%s:\n", section);
		} else if (!dot) {
			buf_addc(out, '\n');
		}
		add_setting(out, row, dot ? "  " : "", dot ? dot + 1 : row->key);
	}
	return out->error;
}
