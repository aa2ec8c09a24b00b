/* The settings as the exporter's command line. */
#include "agent/core/config_internal.h"

#include <errno.h>
#include <string.h>

#define ARGS_MAX 256 /* 64 rules, 16 labels, 8 back ends, two words each, and the rest */
#define ARG_MAX_BYTES (64u << 10)

struct args {
	char **items;
	size_t nr;
	int error; /* the first, sticky */
};

char **config_argv_free(char **argv)
{
	for (char **at = argv; at && *at; at++)
		free(*at);
	free(argv);
	return NULL;
}

static void add(struct args *args, const char *text)
{
	if (args->error)
		return;
	if (args->nr == ARGS_MAX) {
		args->error = -ENOSPC;
		return;
	}
	args->items[args->nr] = strdup(text);
	if (args->items[args->nr])
		args->nr++;
	else
		args->error = -ENOMEM;
}

static void add_buf(struct args *args, const char *option, struct buf *value)
{
	if (value->error && !args->error)
		args->error = value->error;
	add(args, option);
	add(args, buf_str(value));
}

/* A text that is empty is not given. */
static void add_row(struct args *args, const struct config_row *row, const struct config *config)
{
	_cleanup_(buf_deinitp) struct buf value;

	buf_init(&value, ARG_MAX_BYTES);
	config_value_print(row, config, &value);
	if (value.len || value.error)
		add_buf(args, row->exporter, &value);
}

static void add_strings(struct args *args, const struct config_row *row,
			const struct config *config)
{
	const struct config_strings *strings = config_value_member(row, (void *)config);

	for (size_t i = 0; i < strings->nr; i++) {
		add(args, row->exporter);
		add(args, strings->items[i]);
	}
}

static bool is_given(const struct config_row *row, const struct config *config)
{
	/* The page is switched off by its address not being there. */
	if (row->offset == offsetof(struct config, web.listen) && !config->web.enabled)
		return false;
	return row->exporter;
}

static void add_pairs(struct args *args, const struct config_row *row, const struct config *config)
{
	const struct config_pairs *pairs = config_value_member(row, (void *)config);

	for (size_t i = 0; i < pairs->nr; i++) {
		_cleanup_(buf_deinitp) struct buf value;

		buf_init(&value, ARG_MAX_BYTES);
		buf_addf(&value, "%s=%s", pairs->items[i].name, pairs->items[i].value);
		add_buf(args, row->exporter, &value);
	}
}

/* "KEY=VALUE", with commas doubled and one before it. */
static void add_part(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "%s%s=", out->len ? "," : "", key);
	for (; *value; value++) {
		if (*value == ',')
			buf_addc(out, ',');
		buf_addc(out, *value);
	}
}

static void add_header_parts(struct buf *out, const struct config_row *row,
			     const struct config_pairs *pairs)
{
	for (size_t i = 0; i < pairs->nr; i++) {
		_cleanup_(buf_deinitp) struct buf value;

		buf_init(&value, ARG_MAX_BYTES);
		buf_addf(&value, "%s: %s", pairs->items[i].name, pairs->items[i].value);
		add_part(out, row->exporter, buf_str(&value));
	}
}

static void add_strings_part(struct buf *out, const struct config_row *row,
			     const struct config_strings *strings)
{
	_cleanup_(buf_deinitp) struct buf value;

	buf_init(&value, ARG_MAX_BYTES);
	for (size_t i = 0; i < strings->nr; i++)
		buf_addf(&value, "%s%s", i ? ";" : "", strings->items[i]);
	if (strings->nr)
		add_part(out, row->exporter, buf_str(&value));
}

static void add_member(struct buf *out, const struct config_row *row, const void *element)
{
	void *at = config_value_member(row, (void *)element);
	_cleanup_(buf_deinitp) struct buf value;

	buf_init(&value, ARG_MAX_BYTES);
	switch (row->type) {
	case CONFIG_PAIRS:
		add_header_parts(out, row, at);
		return;
	case CONFIG_STRINGS:
		add_strings_part(out, row, at);
		return;
	case CONFIG_UINT: /* 0 where it is allowed: not given */
		if (!*(uint64_t *)at)
			return;
		break;
	default:
		break;
	}
	config_value_print(row, element, &value);
	/* Nothing is said of a text that is not set, but of one that was emptied: separator: "" */
	if (value.len || (row->fallback && *row->fallback))
		add_part(out, row->exporter, buf_str(&value));
}

static void add_list(struct args *args, const struct config_row *row, const struct config *config)
{
	for (size_t i = 0; i < config_value_nr_elements(row, config); i++) {
		_cleanup_(buf_deinitp) struct buf parts;

		buf_init(&parts, ARG_MAX_BYTES);
		for (size_t j = 0; j < row->element->nr; j++)
			add_member(&parts, &row->element->rows[j],
				   config_value_element(row, config, i));
		add_buf(args, row->exporter, &parts);
	}
}

static void add_store(struct args *args, const struct config *config)
{
	_cleanup_(buf_deinitp) struct buf dir;

	buf_init(&dir, ARG_MAX_BYTES);
	buf_addf(&dir, "%s/store", config->state_dir);
	add_buf(args, "--store", &dir);
}

static void add_user(struct args *args, const struct config_user *user)
{
	_cleanup_(buf_deinitp) struct buf ids;

	buf_init(&ids, ARG_MAX_BYTES);
	buf_addf(&ids, "%u:%u", user->uid, user->gid);
	if (user->set)
		add_buf(args, "--user", &ids);
}

int config_exporter_argv(const struct config *config, const char *program, char ***ret)
{
	struct args args = { .items = calloc(ARGS_MAX + 1, sizeof(char *)) };

	if (!args.items)
		return -ENOMEM;
	add(&args, program);
	add_store(&args, config);
	add_user(&args, &config->user.exporter);
	if (config->log.level == LOG_LEVEL_DEBUG)
		add(&args, "--verbose");
	for (size_t i = 0; i < config_table.nr; i++) {
		const struct config_row *row = &config_table.rows[i];

		if (!is_given(row, config))
			continue;
		if (row->type == CONFIG_LIST)
			add_list(&args, row, config);
		else if (row->type == CONFIG_PAIRS)
			add_pairs(&args, row, config);
		else if (row->type == CONFIG_STRINGS)
			add_strings(&args, row, config);
		else
			add_row(&args, row, config);
	}
	if (args.error) {
		config_argv_free(args.items);
		return args.error;
	}
	*ret = args.items;
	return 0;
}
