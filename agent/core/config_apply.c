/* The settings' sources: a file's tree, texts of flags and variables. */
#include "agent/core/config_internal.h"
#include "agent/base/text.h"

#include <errno.h>
#include <string.h>

/* A setting under way: where it is said, for messages. */
struct place {
	const char *name; /* of the file, or "--upload" */
	const struct config_table *table;
	void *base;
};

static int error_in(const struct place *place, const struct config_node *node, struct err *err,
		    const char *key, const char *what)
{
	return config_error_at(place->name, node->line, node->column, err, "%s: %s", key, what);
}

static const char *kind_name(const struct config_node *node)
{
	return node->kind == CONFIG_MAPPING    ? "a map"
	       : node->kind == CONFIG_SEQUENCE ? "a list"
	       : node->null                    ? "nothing"
					       : "a single value";
}

static int wrong_kind(const struct place *place, const struct config_row *row, const char *key,
		      const struct config_node *node, struct err *err)
{
	_cleanup_(buf_deinitp) struct buf want;

	buf_init(&want, 512);
	config_value_describe(row, &want);
	return config_error_at(place->name, node->line, node->column, err,
			       "%s: %s where %s belongs", key, kind_name(node), buf_str(&want));
}

/* r is what a value function returned and what its complaint. */
static int located(const struct place *place, const struct config_node *node, const char *key,
		   int r, const struct err *what, struct err *err)
{
	return r == -EINVAL ? error_in(place, node, err, key, what->text) : r;
}

static int apply_scalar(const struct place *place, const struct config_row *row, const char *key,
			const struct config_node *node, struct err *err)
{
	struct err what = ERR_NULL;

	if (node->kind != CONFIG_SCALAR)
		return wrong_kind(place, row, key, node, err);
	return located(place, node, key, config_value_set(row, place->base, node->text, &what),
		       &what, err);
}

static int apply_strings(const struct place *place, const struct config_row *row, const char *key,
			 const struct config_node *node, struct err *err)
{
	int r = 0;

	if (node->kind == CONFIG_SCALAR) /* a list of one */
		return apply_scalar(place, row, key, node, err);
	if (node->kind != CONFIG_SEQUENCE)
		return wrong_kind(place, row, key, node, err);
	for (const struct config_node *item = node->first; item && !r; item = item->next) {
		if (item->kind != CONFIG_SCALAR || item->null)
			return error_in(place, item, err, key, "not a text in a list of texts");
		r = apply_scalar(place, row, key, item, err);
	}
	return r;
}

static int apply_pairs(const struct place *place, const struct config_row *row, const char *key,
		       const struct config_node *node, struct err *err)
{
	int r = 0;

	if (node->kind != CONFIG_MAPPING)
		return wrong_kind(place, row, key, node, err);
	for (const struct config_node *item = node->first; item && !r; item = item->next) {
		struct err what = ERR_NULL;

		if (item->kind != CONFIG_SCALAR || item->null)
			return config_error_at(place->name, item->line, item->column, err,
					       "%s.%s: %s where a text belongs", key, item->key,
					       kind_name(item));
		r = located(place, item, key,
			    config_value_add_pair(row, place->base, item->key, item->text, &what),
			    &what, err);
	}
	return r;
}

static int apply_mapping(const struct place *place, const char *prefix,
			 const struct config_node *node, bool *seen, struct err *err);

static int check_required(const struct place *place, const char *key,
			  const struct config_node *node, const bool *seen, struct err *err)
{
	for (size_t i = 0; i < place->table->nr; i++) {
		if (place->table->rows[i].required && !seen[i])
			return config_error_at(place->name, node->line, node->column, err,
					       "%s: its %s is missing", key,
					       place->table->rows[i].key);
	}
	return 0;
}

static int apply_element(const struct place *place, const struct config_row *row, const char *key,
			 const struct config_node *node, struct err *err)
{
	_cleanup_(freep) bool *seen = calloc(row->element->nr, sizeof(*seen));
	struct place inner = { .name = place->name, .table = row->element };
	struct err what = ERR_NULL;
	int r;

	if (!seen)
		return -ENOMEM;
	r = located(place, node, key,
		    config_value_add_element(row, place->base, &inner.base, &what), &what, err);
	if (r)
		return r;
	if (node->kind == CONFIG_SEQUENCE || node->null ||
	    (node->kind == CONFIG_SCALAR && !row->element->rows[0].required))
		return wrong_kind(place, row, key, node, err);
	if (node->kind == CONFIG_SCALAR) { /* the first row alone: "upload: [http://…]" */
		seen[0] = true;
		r = apply_scalar(&inner, &row->element->rows[0], key, node, err);
	} else {
		r = apply_mapping(&inner, "", node, seen, err);
	}
	return r ? r : check_required(&inner, key, node, seen, err);
}

static int apply_list(const struct place *place, const struct config_row *row, const char *key,
		      const struct config_node *node, struct err *err)
{
	int r = 0;

	if (node->kind != CONFIG_SEQUENCE) /* a list of one */
		return apply_element(place, row, key, node, err);
	for (const struct config_node *item = node->first; item && !r; item = item->next)
		r = apply_element(place, row, key, item, err);
	return r;
}

static int apply_row(const struct place *place, const struct config_row *row, const char *key,
		     const struct config_node *node, struct err *err)
{
	if (node->null && row->type != CONFIG_LIST && row->type != CONFIG_STRINGS &&
	    row->type != CONFIG_PAIRS)
		return wrong_kind(place, row, key, node, err);
	switch (row->type) {
	case CONFIG_STRINGS:
	case CONFIG_PAIRS:
	case CONFIG_LIST:
		config_value_clear(row, place->base);
		if (node->null) /* all entries are commented out */
			return 0;
		return row->type == CONFIG_STRINGS ? apply_strings(place, row, key, node, err)
		       : row->type == CONFIG_PAIRS ? apply_pairs(place, row, key, node, err)
						   : apply_list(place, row, key, node, err);
	default:
		return apply_scalar(place, row, key, node, err);
	}
}

static int unknown_key(const struct place *place, const char *key, const struct config_node *node,
		       struct err *err)
{
	_cleanup_(buf_deinitp) struct buf shown;
	char scratch[CONFIG_KEY_MAX];
	const char *nearest = config_nearest(place->table, key, scratch);

	buf_init(&shown, 4096);
	text_for_terminal(&shown, key, 100);
	if (nearest)
		return config_error_at(place->name, node->key_line, node->key_column, err,
				       "unknown key \"%s\" (did you mean \"%s\"?)", buf_str(&shown),
				       nearest);
	return config_error_at(place->name, node->key_line, node->key_column, err,
			       "unknown key \"%s\" (fleetprof agent --example-config shows all)",
			       buf_str(&shown));
}

static int apply_key(const struct place *place, const char *key, const struct config_node *node,
		     bool *seen, struct err *err)
{
	int index = config_find(place->table, key);

	if (index >= 0 && seen[index]) /* both memory: {limit: …} and memory.limit: … */
		return config_error_at(place->name, node->key_line, node->key_column, err,
				       "\"%s\" is here twice", key);
	if (index >= 0) {
		seen[index] = true;
		return apply_row(place, &place->table->rows[index], key, node, err);
	}
	if (!config_is_section(place->table, key))
		return unknown_key(place, key, node, err);
	if (node->null) /* everything in it is commented out */
		return 0;
	if (node->kind != CONFIG_MAPPING)
		return error_in(place, node, err, key, "holds further keys, not a value");
	return apply_mapping(place, key, node, seen, err);
}

static int apply_mapping(const struct place *place, const char *prefix,
			 const struct config_node *node, bool *seen, struct err *err)
{
	int r = 0;

	for (const struct config_node *child = node->first; child && !r; child = child->next) {
		_cleanup_(freep) char *key = NULL;

		if (asprintf(&key, "%s%s%s", prefix, *prefix ? "." : "", child->key) < 0)
			return -ENOMEM;
		r = apply_key(place, key, child, seen, err);
	}
	return r;
}

int config_apply_file(struct config *config, const char *name, const char *text, size_t len,
		      struct err *err)
{
	struct place place = { .name = name, .table = &config_table, .base = config };
	_cleanup_(config_node_freep) struct config_node *top = NULL;
	_cleanup_(freep) bool *seen = calloc(config_table.nr, sizeof(*seen));
	int r = seen ? config_yaml_parse(&top, name, text, len, err) : -ENOMEM;

	if (r || !top || top->null)
		return r;
	if (top->kind != CONFIG_MAPPING)
		return config_error_at(name, top->line, top->column, err,
				       "%s where settings (KEY: VALUE) belong", kind_name(top));
	return apply_mapping(&place, "", top, seen, err);
}

/* "NAME=VALUE,NAME=VALUE" */
static int add_pairs(const struct config_row *row, void *base, char *text, struct err *err)
{
	char *save = NULL;
	int r = 0;

	for (char *one = strtok_r(text, ",", &save); one && !r; one = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(one, '=');

		if (!equals)
			return err_set(err, -EINVAL, "\"%s\" is not NAME=VALUE", one);
		*equals = '\0';
		r = config_value_add_pair(row, base, one, equals + 1, err);
	}
	return r;
}

static int add_strings(const struct config_row *row, void *base, char *text, struct err *err)
{
	char *save = NULL;
	int r = 0;

	for (char *one = strtok_r(text, ",", &save); one && !r; one = strtok_r(NULL, ",", &save))
		r = config_value_set(row, base, one, err);
	return r;
}

/* The text of a list of maps is YAML itself: "{url: http://…, tenant: x}", or the first row alone. */
static int add_elements(const struct config_row *row, void *base, const char *origin,
			const char *text, struct err *err)
{
	struct place place = { .name = origin, .table = &config_table, .base = base };
	_cleanup_(config_node_freep) struct config_node *top = NULL;
	int r = config_yaml_parse(&top, origin, text, strlen(text), err);

	return r || !top || top->null ? r : apply_list(&place, row, row->key, top, err);
}

int config_apply_text(struct config *config, const struct config_row *row, const char *origin,
		      const char *text, bool more, struct err *err)
{
	_cleanup_(freep) char *copy = strdup(text);
	struct err what = ERR_NULL;
	int r;

	if (!copy)
		return -ENOMEM;
	if (!more &&
	    (row->type == CONFIG_STRINGS || row->type == CONFIG_PAIRS || row->type == CONFIG_LIST))
		config_value_clear(row, config);
	switch (row->type) {
	case CONFIG_LIST:
		return add_elements(row, config, origin, text, err);
	case CONFIG_STRINGS:
		r = add_strings(row, config, copy, &what);
		break;
	case CONFIG_PAIRS:
		r = add_pairs(row, config, copy, &what);
		break;
	default:
		r = config_value_set(row, config, text, &what);
	}
	return r == -EINVAL ? err_set(err, r, "%s: %s", origin, what.text) : r;
}

static const struct config_row *find_variable(const char *name, size_t len)
{
	for (size_t i = 0; i < config_table.nr; i++) {
		char variable[CONFIG_KEY_MAX];

		config_variable(&config_table.rows[i], variable);
		if (strlen(variable) == len && !strncmp(variable, name, len))
			return &config_table.rows[i];
	}
	return NULL;
}

int config_apply_env(struct config *config, char **env, struct err *err)
{
	int r = 0;

	for (char **at = env; at && *at && !r; at++) {
		const char *equals = strchr(*at, '=');
		const struct config_row *row;
		char variable[CONFIG_KEY_MAX];

		if (!equals || strncmp(*at, "FLEETPROF_", strlen("FLEETPROF_")))
			continue;
		/* Others are not ours to judge: Kubernetes makes some from the names of services. */
		row = find_variable(*at, (size_t)(equals - *at));
		if (!row)
			continue;
		config_variable(row, variable);
		r = config_apply_text(config, row, variable, equals + 1, false, err);
	}
	return r;
}
