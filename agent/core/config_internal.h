/* What the files of the settings share: the table's rows, values, the YAML tree. */
#ifndef FLEETPROF_CORE_CONFIG_INTERNAL_H
#define FLEETPROF_CORE_CONFIG_INTERNAL_H

#include "agent/core/config.h"

#include <stdarg.h>

#define CONFIG_TEXT_MAX 4096 /* bytes of one string */
#define CONFIG_KEY_MAX 256 /* bytes of a dotted key */

enum config_type { /* the member's C type */
		   CONFIG_BOOL, /* bool */
		   CONFIG_UINT, /* uint64_t */
		   CONFIG_BYTES, /* uint64_t; "128MiB" */
		   CONFIG_DURATION, /* uint64_t ns; "60s" */
		   CONFIG_PERCENT, /* uint64_t; "5%" */
		   CONFIG_REAL, /* double */
		   CONFIG_ENUM, /* uint64_t: index in choices */
		   CONFIG_STRING, /* char *; limits: its length */
		   CONFIG_PATH, /* char *, absolute, or "" */
		   CONFIG_USER, /* struct config_user */
		   CONFIG_STRINGS, /* struct config_strings; max: how many */
		   CONFIG_PAIRS, /* struct config_pairs; max: how many */
		   CONFIG_LIST, /* {struct X *items; size_t nr;}; max: how many */
};

/*
 * A setting. Its flag is --KEY with '-' for '.' and '_', its variable FLEETPROF_KEY in capitals with '_' for '.'.
 */
struct config_row {
	const char *key; /* dotted; a dot is a level of the file */
	enum config_type type;
	size_t offset; /* of the member in struct config, or in the list's element */
	const char *
		fallback; /* default as a person writes it; NULL for lists: none; "auto" where allowed */
	uint64_t min, max;
	double real_min, real_max;
	const char *const *choices; /* NULL at the end */
	const struct config_table
		*element; /* of a CONFIG_LIST; a scalar is its first row, if that is required */
	enum config_group group;
	const char *
		exporter; /* its option ("--store-max-age"), or the key within a list's option; or NULL */
	bool automatic; /* "auto" (0 in the member): filled in by config_load() from this host */
	bool required; /* of an element */
	const char *meta; /* of --help: --rate HZ */
	const char *help; /* a sentence or two; in the example as well */
	const char *example; /* lines of YAML for what has no default, or NULL */
};

struct config_table {
	const struct config_row *rows;
	size_t nr;
	size_t size; /* of the struct that the offsets are in */
};

extern const struct config_table config_table;

/* Which row has this key, or -1. */
int config_find(const struct config_table *table, const char *key);
/* Is there a row below this key ("memory" of "memory.limit")? */
bool config_is_section(const struct config_table *table, const char *key);
/* The row or section that was probably meant, or NULL; scratch holds the answer if it is a section. */
const char *config_nearest(const struct config_table *table, const char *key,
			   char scratch[CONFIG_KEY_MAX]);
/* "--rate" / "FLEETPROF_RATE" */
void config_flag(const struct config_row *row, char ret[CONFIG_KEY_MAX]);
void config_variable(const struct config_row *row, char ret[CONFIG_KEY_MAX]);

/* Values: base is a struct config or a list's element. */

/*
 * Parses a scalar into the member, or adds it to one of CONFIG_STRINGS. Returns 0, -ENOMEM, or -EINVAL with err set:
 * what is wrong, without saying where.
 */
int config_value_set(const struct config_row *row, void *base, const char *text, struct err *err);
int config_value_add_pair(const struct config_row *row, void *base, const char *name,
			  const char *value, struct err *err);
/* A new element at the end of a CONFIG_LIST, its members at their defaults. */
int config_value_add_element(const struct config_row *row, void *base, void **ret, struct err *err);
void config_value_clear(const struct config_row *row, void *base);
bool config_value_equal(const struct config_row *row, const void *a, const void *b);
/* As the exporter takes it: bytes and seconds as plain numbers. Not for lists. */
int config_value_print(const struct config_row *row, const void *base, struct buf *out);
/* "a whole number from 1 to 10000" */
void config_value_describe(const struct config_row *row, struct buf *out);

void *config_value_member(const struct config_row *row, void *base);
/* Of a CONFIG_LIST. */
size_t config_value_nr_elements(const struct config_row *row, const void *base);
void *config_value_element(const struct config_row *row, const void *base, size_t i);

/* All members of a struct to their defaults; frees all of them. */
int config_defaults(const struct config_table *table, void *base);
void config_clear(const struct config_table *table, void *base);

/* Units: 0, or -EINVAL (not one) or -ERANGE (does not fit). */
int config_parse_bytes(const char *text, uint64_t *ret);
int config_parse_duration(const char *text, uint64_t *ret_ns);
/* The shortest exact form: "128MiB", "90s". */
void config_format_bytes(uint64_t bytes, char ret[32]);
void config_format_duration(uint64_t ns, char ret[32]);

/* The YAML tree. */

#define CONFIG_FILE_MAX (256u << 10)
#define CONFIG_NODES_MAX 20000u
#define CONFIG_DEPTH_MAX 16u

enum config_kind { CONFIG_SCALAR, CONFIG_SEQUENCE, CONFIG_MAPPING };

struct config_node {
	enum config_kind kind;
	unsigned int line, column; /* from 1 */
	char *text; /* of a scalar: valid UTF-8 without NUL */
	bool null; /* a scalar that is not there: "", ~ or null, unquoted */
	char *key; /* of a mapping's child */
	unsigned int key_line, key_column;
	struct config_node *first, *last; /* children of a sequence or mapping */
	struct config_node *next; /* sibling */
};

/*
 * name: for messages, "FILE". Returns 0 with the top node, or NULL there for an empty text; -ENOMEM; or -EINVAL with err
 * set to NAME:LINE:COLUMN and what is wrong.
 */
int config_yaml_parse(struct config_node **ret, const char *name, const char *text, size_t len,
		      struct err *err);
struct config_node *config_node_free(struct config_node *node);
DEFINE_CLEANUP(struct config_node *, config_node_free)

/* err = NAME:LINE:COLUMN: …; returns -EINVAL. */
int config_error_at(const char *name, unsigned int line, unsigned int column, struct err *err,
		    const char *fmt, ...) _printf_(5, 6);

/* Sources: each overwrites what the ones before have set. */

/* From the text of a file. */
int config_apply_file(struct config *config, const char *name, const char *text, size_t len,
		      struct err *err);
int config_apply_env(struct config *config, char **env, struct err *err);

/* One setting from a flag or variable, as a person writes it; more: adds to a list. */
int config_apply_text(struct config *config, const struct config_row *row, const char *origin,
		      const char *text, bool more, struct err *err);

/* What no single row can know. Pure. Returns 0 or -EINVAL with err set. */
int config_check(const struct config *config, struct err *err);

/* What only the exporter can know: runs it with --check. 0, -ENOMEM, or -EINVAL with err set. */
int config_try_exporter(const struct config *config, struct err *err);

#endif
