/*
 * The settings of `fleetprof agent`, from flags over environment over file over defaults.
 *
 * One table (config_table.c) has a row for each setting; the flag, the environment variable, the YAML key, --help, the
 * example file, parsing and reloading come from it. What is read here is plain data: members are named after the YAML
 * key, and times are ns, sizes bytes, fractions of 1.
 *
 * YAML 1.1 by libyaml, of which a file may use plain maps, lists and scalars: no anchors, tags or second documents.
 */
#ifndef FLEETPROF_CORE_CONFIG_H
#define FLEETPROF_CORE_CONFIG_H

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FILE_DEFAULT "/etc/fleetprof/fleetprof.yaml" /* read if it is there */

/* Ways to show the linker's names, NULL-terminated; the first is the default. */
extern const char *const config_demangle[];

struct config_strings {
	char **items;
	size_t nr;
};

struct config_pair {
	char *name, *value;
};

struct config_pairs {
	struct config_pair *items;
	size_t nr;
};

/* A user to become: a number, or a name of this host. */
struct config_user {
	char *name; /* as written; "auto": the caller chooses */
	bool set; /* not "auto": uid and gid are valid */
	uint32_t uid, gid;
};

enum config_upload_type { CONFIG_UPLOAD_PYROSCOPE };

/* A back end. Strings that are not set are "". */
struct config_upload {
	char *url; /* http:// or https://, without user and password */
	uint64_t type; /* enum config_upload_type */
	char *name; /* in metrics; "": its type */
	char *tenant; /* X-Scope-OrgID */
	struct {
		char *user, *password_file;
	} basic;
	char *token_file; /* bearer token */
	struct {
		char *ca, *cert, *key; /* PEM */
	} tls;
	struct config_pairs
		headers; /* further ones; none of them a secret: they are seen in argv */
	char *headers_file; /* "Name: value" lines, for those that are */
	char *proxy;
	uint64_t rate_bytes, rate_requests; /* per second */
	uint64_t timeout_ns, max_age_ns;
	double fraction; /* of the windows that are uploaded */
};

struct config_uploads {
	struct config_upload *items;
	size_t nr;
};

/* Prometheus' relabel_config. */
enum config_relabel_action {
	CONFIG_RELABEL_REPLACE,
	CONFIG_RELABEL_KEEP,
	CONFIG_RELABEL_DROP,
	CONFIG_RELABEL_KEEPEQUAL,
	CONFIG_RELABEL_DROPEQUAL,
	CONFIG_RELABEL_HASHMOD,
	CONFIG_RELABEL_LABELMAP,
	CONFIG_RELABEL_LABELDROP,
	CONFIG_RELABEL_LABELKEEP,
	CONFIG_RELABEL_LOWERCASE,
	CONFIG_RELABEL_UPPERCASE,
};

struct config_relabel {
	struct config_strings source_labels;
	char *separator, *regex, *target_label, *replacement;
	uint64_t modulus;
	uint64_t action; /* enum config_relabel_action */
};

struct config_relabels {
	struct config_relabel *items;
	size_t nr;
};

struct config {
	uint64_t rate; /* samples per second and CPU */
	uint64_t window_ns, watch_window_ns;
	uint64_t demangle; /* of config_demangle[]: how the symbolizer shows linker's names */
	struct {
		uint64_t limit; /* bytes, of everything together: budget_divide() */
	} memory;
	char *state_dir; /* absolute */
	uint64_t symbol_cache_size; /* bytes on disk */
	char *node; /* this host's name in labels; never "" */
	char *kill_switch; /* a file: while it exists nothing is sampled; "": none */
	struct {
		struct config_user exporter, symbolizer, opener;
	} user;
	struct {
		struct config_strings cgroups, containers; /* sampled; none: everything */
		struct config_strings exclude_cgroups, exclude_containers; /* … but these */
	} filter;
	struct {
		uint64_t max_bytes, max_age_ns;
		uint64_t max_share, min_free; /* percent; 0: off */
	} store;
	struct {
		bool enabled;
		char *listen; /* ADDRESS:PORT, numeric or localhost */
		bool allow_remote;
		struct config_strings hosts; /* further names of the page */
		char *metrics_listen; /* ADDRESS:PORT; "": not there */
	} web;
	struct {
		struct config_strings urls; /* none: off */
		uint64_t max_size, timeout_ns, cache_size;
	} debuginfod;
	struct config_uploads upload;
	struct config_pairs labels; /* added to every profile */
	struct config_relabels relabel; /* in this order, to the labels of what is uploaded */
	uint64_t max_series; /* uploaded by this node; the rest is service_name="other" */
	struct {
		uint64_t level; /* enum log_level */
		uint64_t format; /* enum log_format */
	} log;
};

enum {
	CONFIG_E_DONE =
		1, /* --help, --example-config or --check-config: answered on stdout, nothing to run */
};

/*
 * argv[0] is "agent". Reads the file that --config or FLEETPROF_CONFIG names, or else the default one if it is there,
 * then the environment, then the flags; fills in what depends on this host (memory.limit, node, users). Called again
 * with the same argv to read the settings anew. Returns 0, CONFIG_E_DONE, or -errno with err set: a sentence that
 * begins with FILE:LINE:COLUMN, the variable or the flag.
 */
int config_load(struct config **ret, int argc, char **argv, char **env, struct err *err);
struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

/* What must be told of a change. */
enum config_group {
	CONFIG_SAMPLING = 1 << 0, /* rate, windows */
	CONFIG_FILTER = 1 << 1,
	CONFIG_EXPORTER =
		1 << 2, /* store, web, uploads, labels: its arguments differ, start it anew */
	CONFIG_LOG = 1 << 3,
	CONFIG_KILL_SWITCH = 1 << 4,
	CONFIG_RESTART = 1 << 5, /* takes a restart of the agent */
};

/*
 * The groups that differ, or 0. The keys of those that take a restart are added to ret_restart ("memory.limit,
 * state_dir"), which may be NULL, for a message.
 */
unsigned int config_diff(const struct config *old, const struct config *new,
			 struct buf *ret_restart);

/*
 * The exporter's command line for these settings: program first, NULL last. The caller frees it by config_argv_free().
 * There is no secret in it: only names of files that hold one.
 */
int config_exporter_argv(const struct config *config, const char *program, char ***ret);
char **config_argv_free(char **argv);
DEFINE_CLEANUP(char **, config_argv_free)

/* The settings' part of `fleetprof agent --help`, and the commented example file. */
int config_help(struct buf *out);
int config_example(struct buf *out);

#endif
