/*
 * YAML text to a tree of plain nodes.
 *
 * libyaml's events, not its documents: those resolve aliases. What a file of settings does not need is refused by name:
 * anchors, aliases, tags, further documents, maps as keys.
 */
#include "agent/core/config_internal.h"
#include "agent/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t yaml;
	const char *name;
	struct err *err;
	unsigned int nr_nodes, depth;
};

static void reader_deinit(struct reader *r)
{
	yaml_parser_delete(&r->yaml);
}
DEFINE_CLEANUP_EMBEDDED(struct reader, reader_deinit)
DEFINE_CLEANUP_EMBEDDED(yaml_event_t, yaml_event_delete)

int config_error_at(const char *name, unsigned int line, unsigned int column, struct err *err,
		    const char *fmt, ...)
{
	_cleanup_(freep) char *what = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&what, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : err_set(err, -EINVAL, "%s:%u:%u: %s", name, line, column, what);
}

static int error_at(struct reader *r, const yaml_mark_t *mark, const char *what)
{
	return config_error_at(r->name, (unsigned int)mark->line + 1,
			       (unsigned int)mark->column + 1, r->err, "%s", what);
}

static int syntax_error(struct reader *r)
{
	const yaml_parser_t *yaml = &r->yaml;
	const char *problem = yaml->problem ? yaml->problem : "not YAML";

	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (yaml->error ==
	    YAML_READER_ERROR) /* has an offset only, and the mark of the token before */
		return config_error_at(r->name, (unsigned int)yaml->mark.line + 1,
				       (unsigned int)yaml->mark.column + 1, r->err,
				       "%s (at byte %zu)", problem, yaml->problem_offset);
	if (strstr(problem, "tab character") || strstr(problem, "cannot start any token"))
		return config_error_at(
			r->name, (unsigned int)yaml->problem_mark.line + 1,
			(unsigned int)yaml->problem_mark.column + 1, r->err,
			"%s (indent by spaces, not tabs; quote texts that begin with "
			"@, %% or `)",
			problem);
	return error_at(r, &yaml->problem_mark, problem);
}

static int next_event(struct reader *r, yaml_event_t *ret)
{
	return yaml_parser_parse(&r->yaml, ret) ? 0 : syntax_error(r);
}

struct config_node *config_node_free(struct config_node *node)
{
	if (!node)
		return NULL;
	for (struct config_node *child = node->first; child;) {
		struct config_node *next = child->next;

		config_node_free(child); /* no deeper than CONFIG_DEPTH_MAX */
		child = next;
	}
	free(node->text);
	free(node->key);
	free(node);
	return NULL;
}

static bool is_null(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

static int copy_scalar(struct reader *r, const yaml_event_t *event, char **ret)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (memchr(value, '\0', len))
		return error_at(r, &event->start_mark, "a NUL within a text");
	if (!text_is_valid(value, len)) /* "\ud800" is one way to make it */
		return error_at(r, &event->start_mark, "not valid UTF-8");
	*ret = strndup(value, len);
	return *ret ? 0 : -ENOMEM;
}

static int check_plain(struct reader *r, const yaml_event_t *event)
{
	const unsigned char *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return error_at(r, &event->start_mark,
				"an alias (*name): write the value again instead (a text that "
				"begins with * is quoted)");
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		return error_at(r, &event->start_mark,
				"an anchor (&name): not supported here (a "
				"text that begins with & is quoted)");
	if (tag)
		return error_at(r, &event->start_mark,
				"a tag (!name): not supported here (a text "
				"that begins with ! is quoted)");
	return 0;
}

static void add_child(struct config_node *parent, struct config_node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

static int read_node(struct reader *r, const yaml_event_t *event, struct config_node **ret);

static int read_sequence(struct reader *r, struct config_node *node)
{
	for (;;) {
		_cleanup_(yaml_event_deletep) yaml_event_t event = { 0 };
		struct config_node *child = NULL;
		int rc = next_event(r, &event);

		if (rc || event.type == YAML_SEQUENCE_END_EVENT)
			return rc;
		rc = read_node(r, &event, &child);
		if (rc)
			return rc;
		add_child(node, child);
	}
}

static int check_twice(struct reader *r, const struct config_node *node, const yaml_event_t *event,
		       const char *key)
{
	for (const struct config_node *child = node->first; child; child = child->next) {
		if (!strcmp(child->key, key))
			return config_error_at(r->name, (unsigned int)event->start_mark.line + 1,
					       (unsigned int)event->start_mark.column + 1, r->err,
					       "\"%.80s\" is here twice, first in line %u", key,
					       child->key_line);
	}
	return 0;
}

static int read_key(struct reader *r, const struct config_node *node, const yaml_event_t *event,
		    char **ret)
{
	int rc = check_plain(r, event);

	if (rc)
		return rc;
	if (event->type != YAML_SCALAR_EVENT)
		return error_at(r, &event->start_mark, "a key must be a text");
	rc = copy_scalar(r, event, ret);
	if (!rc && strlen(*ret) >= CONFIG_KEY_MAX)
		rc = error_at(r, &event->start_mark, "a key of more than 255 bytes");
	return rc ? rc : check_twice(r, node, event, *ret);
}

static int read_pair(struct reader *r, struct config_node *node, const yaml_event_t *key_event)
{
	_cleanup_(yaml_event_deletep) yaml_event_t event = { 0 };
	_cleanup_(freep) char *key = NULL;
	struct config_node *child = NULL;
	int rc = read_key(r, node, key_event, &key);

	if (!rc)
		rc = next_event(r, &event);
	if (!rc)
		rc = read_node(r, &event, &child);
	if (rc)
		return rc;
	child->key = TAKE_PTR(key);
	child->key_line = (unsigned int)key_event->start_mark.line + 1;
	child->key_column = (unsigned int)key_event->start_mark.column + 1;
	add_child(node, child);
	return 0;
}

static int read_mapping(struct reader *r, struct config_node *node)
{
	for (;;) {
		_cleanup_(yaml_event_deletep) yaml_event_t event = { 0 };
		int rc = next_event(r, &event);

		if (rc || event.type == YAML_MAPPING_END_EVENT)
			return rc;
		rc = read_pair(r, node, &event);
		if (rc)
			return rc;
	}
}

static int read_contents(struct reader *r, const yaml_event_t *event, struct config_node *node)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		node->null = is_null(event);
		return copy_scalar(r, event, &node->text);
	case YAML_SEQUENCE_START_EVENT:
		node->kind = CONFIG_SEQUENCE;
		return read_sequence(r, node);
	case YAML_MAPPING_START_EVENT:
		node->kind = CONFIG_MAPPING;
		return read_mapping(r, node);
	default:
		return error_at(r, &event->start_mark, "a value is missing");
	}
}

static int read_node(struct reader *r, const yaml_event_t *event, struct config_node **ret)
{
	_cleanup_(config_node_freep) struct config_node *node = NULL;
	int rc = check_plain(r, event);

	if (rc)
		return rc;
	if (r->depth == CONFIG_DEPTH_MAX)
		return error_at(r, &event->start_mark, "nested too deeply");
	if (r->nr_nodes++ == CONFIG_NODES_MAX)
		return error_at(r, &event->start_mark, "too many values");
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->line = (unsigned int)event->start_mark.line + 1;
	node->column = (unsigned int)event->start_mark.column + 1;
	r->depth++;
	rc = read_contents(r, event, node);
	r->depth--;
	if (!rc)
		*ret = TAKE_PTR(node);
	return rc;
}

static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
	_cleanup_(yaml_event_deletep) yaml_event_t event = { 0 };
	int rc = next_event(r, &event);

	if (!rc && event.type != type)
		rc = error_at(r, &event.start_mark, otherwise);
	return rc;
}

static int read_document(struct reader *r, struct config_node **ret)
{
	_cleanup_(config_node_freep) struct config_node *top = NULL;
	_cleanup_(yaml_event_deletep) yaml_event_t start = { 0 }, first = { 0 };
	int rc = expect(r, YAML_STREAM_START_EVENT, "not YAML");

	if (!rc)
		rc = next_event(r, &start);
	if (rc)
		return rc;
	if (start.type == YAML_STREAM_END_EVENT) { /* empty, or comments only */
		*ret = NULL;
		return 0;
	}
	rc = next_event(r, &first);
	if (!rc)
		rc = read_node(r, &first, &top);
	if (!rc)
		rc = expect(r, YAML_DOCUMENT_END_EVENT, "something behind the settings");
	if (!rc)
		rc = expect(r, YAML_STREAM_END_EVENT,
			    "a second document (---): the settings are one document");
	if (!rc)
		*ret = TAKE_PTR(top);
	return rc;
}

int config_yaml_parse(struct config_node **ret, const char *name, const char *text, size_t len,
		      struct err *err)
{
	_cleanup_(reader_deinitp) struct reader r = { .name = name, .err = err };

	if (!yaml_parser_initialize(&r.yaml))
		return -ENOMEM;
	if (len > CONFIG_FILE_MAX)
		return err_set(err, -EINVAL, "%s: larger than %u KiB: not a file of settings", name,
			       CONFIG_FILE_MAX >> 10);
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, len);
	return read_document(&r, ret);
}
